"""What a voice service offers: its voices and its models, as callers choose among them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.speech.settings import SpeechSettings

Provider = Literal["elevenlabs", "espeak", "none"]


class _Offer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    description: str | None = None
    languages: tuple[str, ...] = Field((), description="What it speaks, as ISO 639-1 codes where the service has them.")
    available: bool | None = Field(
        None, description="Whether the operator's plan has it. Left out where the operator's key may not read the plan."
    )
    default: bool = Field(False, description="Whether a generate that names none gets this one.")


class CatalogueVoice(_Offer):
    """A voice: its ``id`` is a generate's `voice_id`."""

    preview_url: str | None = Field(None, description="Where a sample of it lies, at the service itself.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="What else the service says of it: gender, accent."
    )
    spoken_by: str | None = Field(
        None, description="The voice that the operator has speak in this one's place (`VOICE_ALIASES`)."
    )


class CatalogueModel(_Offer):
    """A model: its ``id`` is a generate's `model_id`."""

    max_characters: int | None = Field(None, description="Most characters it takes at once; longer texts are parted.")


class Catalogue(BaseModel):
    """All that a service offers. ``origin``: of which service and settings, to tell another's catalogue by."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    provider: Provider
    origin: str
    fetched_at: AwareDatetime
    voices: tuple[CatalogueVoice, ...] = ()
    models: tuple[CatalogueModel, ...] = ()


class CatalogueSource(Protocol):
    """Where a catalogue comes from."""

    @property
    def origin(self) -> str: ...

    async def fetch(self, now: datetime) -> Catalogue:
        """Raises TtsMisconfigured, TtsQuotaExceeded, TtsBusy, TtsUnavailable and TtsBroken."""
        ...


def origin_of(provider: Provider, settings: SpeechSettings) -> str:
    """The same for the same service with the same defaults; nothing of the key is in it."""
    chosen = settings.model_dump(
        include={"elevenlabs_base_url", "default_voice_id", "default_model_id", "voice_aliases"}
    )
    return hashlib.sha256(json.dumps([provider, chosen], sort_keys=True).encode()).hexdigest()
