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


class RestGate:
    """Says how much each frame of a sound speaks: 1 where it is heard, 0 at rest, between them while fading.

    A frame in which something is heard is decided as soon as it has been heard, a silent one as soon as no later sound
    could change its share: at most SHORTEST_REST - 1 frames later. Independent of how the sound is cut; memory is
    constant.
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
        return self._decide(ended=False)

    def finish(self) -> list[float]:
        """The sound has ended: the shares of the remaining frames."""
        if len(self._kept):
            self._silent.append(_is_silent(self._kept))
            self._kept = self._kept[:0]
        return self._decide(ended=True)

    def _decide(self, *, ended: bool) -> list[float]:
        """The shares of the kept frames up to the first that later sound could change; what is decided is dropped."""
        shares: list[float] = []
        for position in range(len(self._silent)):
            share = self._share(position, ended) if self._silent[position] else 1.0
            if share is None:
                break
            self._run = self._run + 1 if self._silent[position] else 0
            self._next += 1
            shares.append(share)
        del self._silent[: len(shares)]
        return shares

    def _share(self, position: int, ended: bool) -> float | None:
        """The share of a silent frame; None while it depends on how long the silence goes on."""
        run = self._run + 1
        after = _silent_from(self._silent, position + 1)
        open_end = position + 1 + after == len(self._silent)
        into = FADE + 1 if run == self._next + 1 else run
        until = FADE + 1 if open_end and ended else after + 1
        if open_end and not ended and (run + after < SHORTEST_REST or until < min(into, FADE + 1)):
            return None
        if run + after < SHORTEST_REST:
            return 1.0
        return max(0.0, 1.0 - min(into, until) / (FADE + 1))


def _silent_from(silent: list[bool], start: int) -> int:
    """How many frames are silent in a row from ``start``."""
    count = 0
    while start + count < len(silent) and silent[start + count]:
        count += 1
    return count


def _is_silent(frame: NDArray[np.float32]) -> bool:
    return bool(np.mean(np.square(frame, dtype=np.float64)) < 10 ** (SILENT_DB / 10))
