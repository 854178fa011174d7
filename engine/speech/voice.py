"""What a voice is: text in, sound and word times out, piece by piece.

A caller's own recording comes out as the same pieces, without words.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from engine.cancel import CancelToken

Samples = NDArray[np.int16]
"""Mono sound at 48,000 samples a second (``timebase.PLAYED_RATE``)."""


@dataclass(frozen=True)
class Word:
    """One spoken word. Times are seconds from the beginning of the whole sound, 0 <= start <= end."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class SpeechPiece:
    """The next stretch of sound, of any length above zero, and the words that are decided with it."""

    samples: Samples
    words: tuple[Word, ...] = ()


class VoiceSettings(BaseModel):
    """How the voice speaks. Ranges are ElevenLabs' own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    style: float | None = Field(None, ge=0, le=1)
    use_speaker_boost: bool | None = None
    speed: float | None = Field(None, ge=0.7, le=1.2)


@dataclass(frozen=True)
class SpeechRequest:
    """What to say and how. ``voice_id`` and ``model_id`` None mean the service's default."""

    text: str
    voice_id: str | None = None
    model_id: str | None = None
    settings: VoiceSettings = field(default_factory=VoiceSettings)


@dataclass(frozen=True)
class Utterance:
    """A text being spoken: ``pieces`` can be walked through once, while the speech is made; closing them ends it."""

    voice_used: str
    characters: int
    pieces: Generator[SpeechPiece, None, None]


class Voice(Protocol):
    """A text-to-speech service."""

    @property
    def paid(self) -> bool:
        """Whether every text spoken costs the operator money."""
        ...

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        """Begin to speak. Errors of engine.errors come from here or from the pieces."""
        ...
