"""Which of the avatar's frames each frame of the video shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.errors import InvalidInput
from engine.schemas import SyncMode
from engine.timebase import FRAME_RATE

LONGEST_LOOP, SHORTEST_LOOP = 20 * FRAME_RATE, 2 * FRAME_RATE
"""Frames of a loop at rest: of a long avatar it shows a part, of a short one several bounces."""


class Order(Protocol):
    """Which of the avatar's frames each frame of the video shows."""

    @property
    def limit(self) -> int | None:
        """How many frames the video can have at most; None where the avatar repeats."""
        ...

    def __getitem__(self, frame: int) -> int: ...


@dataclass(frozen=True)
class FrameOrder:
    """The walk through an avatar of ``count`` frames, beginning at frame ``start``.

    bounce: forward, then backward, both end frames shown twice, so that the motion never jumps.
    loop: from the last frame straight to the first.
    cut_off: once through; the video ends with the avatar.
    """

    mode: SyncMode
    count: int
    start: int = 0

    @classmethod
    def beginning(cls, mode: SyncMode, count: int, start_seconds: float) -> FrameOrder:
        """Raises InvalidInput when ``start_seconds`` lies past the avatar's end."""
        return cls(mode, count, _start(count, start_seconds))

    @property
    def limit(self) -> int | None:
        """How many frames the video can have at most; None where the avatar repeats."""
        return self.count - self.start if self.mode == "cut_off" else None

    def __getitem__(self, frame: int) -> int:
        position = self.start + frame
        if self.mode != "bounce":
            return position % self.count
        position %= 2 * self.count
        return min(position, 2 * self.count - 1 - position)


@dataclass(frozen=True)
class LoopOrder:
    """Whole bounces through ``count`` of the avatar's frames, from frame ``first`` on: the last leads to the first."""

    first: int
    count: int

    @classmethod
    def beginning(cls, count: int, start_seconds: float) -> LoopOrder:
        """Of an avatar of ``count`` frames. Raises InvalidInput when ``start_seconds`` lies past its end."""
        first = _start(count, start_seconds)
        return cls(first, min(count - first, LONGEST_LOOP // 2))

    @property
    def limit(self) -> int:
        bounce = 2 * self.count
        return bounce * -(-SHORTEST_LOOP // bounce)

    def __getitem__(self, frame: int) -> int:
        return self.first + FrameOrder("bounce", self.count)[frame]


def _start(count: int, start_seconds: float) -> int:
    start = int(start_seconds * FRAME_RATE)
    if start >= count:
        raise InvalidInput(
            f"`start_seconds` is {start_seconds:g}, and the avatar lasts {count / FRAME_RATE:g} s: begin earlier."
        )
    return start
