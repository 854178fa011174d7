"""What espeak-ng offers here: the speakers that callers know by ElevenLabs' ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.speech.catalogue import Catalogue, CatalogueModel, CatalogueVoice, origin_of
from engine.speech.espeak import GEORGE, SPEAKERS, EspeakSpeaker
from engine.speech.settings import SpeechSettings

_MODEL = CatalogueModel(
    id="espeak-ng",
    name="espeak-ng",
    description="Speaks whichever model is asked for.",
    languages=("en",),
    available=True,
    default=True,
)
_GENDERS = {"m": "male", "f": "female"}
_ACCENTS = {"en": "british", "en-us": "american"}


@dataclass(frozen=True)
class EspeakCatalogue:
    """A CatalogueSource that asks nobody."""

    settings: SpeechSettings

    @property
    def origin(self) -> str:
        return origin_of("espeak", self.settings)

    async def fetch(self, now: datetime) -> Catalogue:
        asked = self.settings.default_voice_id
        default = asked if asked in SPEAKERS else GEORGE
        voices = tuple(_offered(voice_id, speaker, default) for voice_id, speaker in SPEAKERS.items())
        return Catalogue(provider="espeak", origin=self.origin, fetched_at=now, voices=voices, models=(_MODEL,))


def _offered(voice_id: str, speaker: EspeakSpeaker, default: str) -> CatalogueVoice:
    accent, _, variant = speaker.manner.voice.partition("+")
    return CatalogueVoice(
        id=voice_id,
        name=speaker.name,
        description=f"espeak-ng's {speaker.manner.voice}",
        languages=("en",),
        available=True,
        default=voice_id == default,
        labels={"gender": _GENDERS[variant[0]], "accent": _ACCENTS[accent]},
    )
