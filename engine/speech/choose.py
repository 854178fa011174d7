"""The one place that chooses the voice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec

from engine.cancel import CancelToken
from engine.errors import SpeechNotConfigured
from engine.speech.catalogue import Catalogue, CatalogueSource, origin_of
from engine.speech.settings import SpeechSettings
from engine.speech.voice import SpeechRequest, Utterance, Voice


class UnconfiguredVoice:
    """The voice of a service that has none: it works on sound that the caller sends, and says so for text."""

    paid = False

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        """Raises SpeechNotConfigured."""
        raise no_voice()


@dataclass(frozen=True)
class UnconfiguredCatalogue:
    """What a service without a voice offers: nothing."""

    settings: SpeechSettings

    @property
    def origin(self) -> str:
        return origin_of("none", self.settings)

    async def fetch(self, now: datetime) -> Catalogue:
        return Catalogue(provider="none", origin=self.origin, fetched_at=now)


def no_voice() -> SpeechNotConfigured:
    """How it is told that nothing can speak."""
    return SpeechNotConfigured(
        "This service has no voice for text: its operator has to set ELEVENLABS_API_KEY. Sound can be sent instead."
    )


def choose_voice(settings: SpeechSettings) -> Voice:
    """ElevenLabs where there is a key, and nothing else then; else espeak-ng where it is installed."""
    if settings.elevenlabs_api_key is not None:
        from engine.speech.elevenlabs import ElevenLabsVoice

        return ElevenLabsVoice.over_network(settings, settings.elevenlabs_api_key)
    if _has_espeak():
        from engine.speech.espeak import EspeakVoice

        return EspeakVoice(settings.default_voice_id)
    return UnconfiguredVoice()


def choose_catalogue(settings: SpeechSettings) -> CatalogueSource:
    """What the chosen voice offers."""
    if settings.elevenlabs_api_key is not None:
        from engine.speech.elevenlabs_catalogue import ElevenLabsCatalogue

        return ElevenLabsCatalogue(settings, settings.elevenlabs_api_key)
    if _has_espeak():
        from engine.speech.espeak_catalogue import EspeakCatalogue

        return EspeakCatalogue(settings)
    return UnconfiguredCatalogue(settings)


def _has_espeak() -> bool:
    return find_spec("espeakng_loader") is not None
