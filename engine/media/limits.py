"""How much a caller's file may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from engine.media.wire import Task
from engine.settings import Settings

DECODING_CORES = 2


@dataclass(frozen=True)
class MediaLimits:
    """For an avatar. ``memory_bytes`` and ``decode_seconds`` bound the process that decodes it."""

    max_bytes: int
    max_seconds: float
    max_pixels: int
    memory_bytes: int
    decode_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> MediaLimits:
        return cls(
            max_bytes=settings.max_avatar_bytes,
            max_seconds=settings.max_avatar_seconds,
            max_pixels=settings.max_avatar_pixels,
            memory_bytes=settings.decode_memory_bytes,
            decode_seconds=settings.decode_seconds,
        )

    @property
    def task(self) -> Task:
        return Task(self.max_seconds, self.max_pixels, self.memory_bytes, cpu_seconds(self.decode_seconds))


@dataclass(frozen=True)
class SoundLimits:
    """For a caller's sound. ``memory_bytes`` and ``decode_seconds`` bound the process that decodes it."""

    max_bytes: int
    max_seconds: float
    memory_bytes: int
    decode_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> SoundLimits:
        return cls(
            max_bytes=settings.max_audio_bytes,
            max_seconds=settings.max_audio_seconds,
            memory_bytes=settings.decode_memory_bytes,
            decode_seconds=settings.decode_seconds,
        )

    @property
    def task(self) -> Task:
        return Task(self.max_seconds, 0, self.memory_bytes, cpu_seconds(self.decode_seconds))


def cpu_seconds(wall_seconds: float) -> int:
    """The CPU time that a process with all its threads at work takes in so much time."""
    return ceil(wall_seconds * DECODING_CORES) + 1
