"""How much a caller's file may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from engine.media.wire import Task
from engine.settings import Settings

DECODING_CORES = 2


@dataclass(frozen=True)
class FileLimits:
    """For any file. ``memory_bytes`` and ``decode_seconds`` bound the process that decodes it."""

    max_bytes: int
    max_seconds: float
    memory_bytes: int
    decode_seconds: float

    @property
    def most_pixels(self) -> int:
        """Of one picture; 0 where only sound is wanted."""
        return 0

    @property
    def task(self) -> Task:
        return Task(self.max_seconds, self.most_pixels, self.memory_bytes, cpu_seconds(self.decode_seconds))


@dataclass(frozen=True)
class SoundLimits(FileLimits):
    """For a caller's sound."""

    @classmethod
    def of(cls, settings: Settings) -> SoundLimits:
        return cls(
            settings.max_audio_bytes, settings.max_audio_seconds, settings.decode_memory_bytes, settings.decode_seconds
        )


@dataclass(frozen=True)
class MediaLimits(FileLimits):
    """For an avatar."""

    max_pixels: int

    @classmethod
    def of(cls, settings: Settings) -> MediaLimits:
        return cls(
            settings.max_avatar_bytes,
            settings.max_avatar_seconds,
            settings.decode_memory_bytes,
            settings.decode_seconds,
            settings.max_avatar_pixels,
        )

    @property
    def most_pixels(self) -> int:
        return self.max_pixels


def cpu_seconds(wall_seconds: float) -> int:
    """The CPU time that a process with all its threads at work takes in so much time."""
    return ceil(wall_seconds * DECODING_CORES) + 1
