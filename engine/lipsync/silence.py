"""When the mouth rests: stretches in which nothing is heard, faded in and out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.timebase import FRAME_RATE, HEARD_PER_FRAME

SILENT_DB = -35.0
SHORTEST_REST = -(-FRAME_RATE // 4)
"""Frames that have to be silent in a row: a quarter of a second, rounded up."""

FADE = 3
"""Frames over which the mouth comes to rest, and over which it leaves it again before the next sound."""

LOOK_AHEAD = SHORTEST_REST - 1


class RestGate:
    """Says how much each frame of a sound speaks: 1 where it is heard, 0 at rest, between them while fading.

    Independent of how the sound is cut; memory is constant.
    """

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)
        self._silent: list[bool] = []
        self._run = 0
        self._next = 0

    def push(self, heard: NDArray[np.float32]) -> list[float]:
        """Take mono 16 kHz samples; return the shares of the frames that are now decided, in order."""
        self._kept = np.concatenate((self._kept, heard))
        whole = len(self._kept) // HEARD_PER_FRAME
        frames, self._kept = np.split(self._kept, [whole * HEARD_PER_FRAME])
        self._silent += [_is_silent(frame) for frame in frames.reshape(whole, HEARD_PER_FRAME)]
        return self._decide(len(self._silent) - LOOK_AHEAD, ended=False)

    def finish(self) -> list[float]:
        """The sound has ended: the shares of the remaining frames."""
        if len(self._kept):
            self._silent.append(_is_silent(self._kept))
            self._kept = self._kept[:0]
        return self._decide(len(self._silent), ended=True)

    def _decide(self, end: int, *, ended: bool) -> list[float]:
        """The shares of the frames up to ``end`` of those that are kept, which are then dropped."""
        shares = []
        for position in range(max(0, end)):
            self._run = self._run + 1 if self._silent[position] else 0
            shares.append(self._share(position, ended) if self._run else 1.0)
            self._next += 1
        del self._silent[: max(0, end)]
        return shares

    def _share(self, position: int, ended: bool) -> float:
        after = _silent_from(self._silent, position + 1)
        if self._run + after < SHORTEST_REST:
            return 1.0
        began_with_the_sound = self._run == self._next + 1
        ends_with_the_sound = ended and position + 1 + after == len(self._silent)
        into = FADE + 1 if began_with_the_sound else self._run
        until = FADE + 1 if ends_with_the_sound else after + 1
        return max(0.0, 1.0 - min(into, until) / (FADE + 1))


def _silent_from(silent: list[bool], start: int) -> int:
    """How many frames are silent in a row from ``start``."""
    count = 0
    while start + count < len(silent) and silent[start + count]:
        count += 1
    return count


def _is_silent(frame: NDArray[np.float32]) -> bool:
    return bool(np.mean(np.square(frame, dtype=np.float64)) < 10 ** (SILENT_DB / 10))
