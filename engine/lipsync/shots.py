"""Where a clip is cut: frames that start another shot."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.video.i420 import Bytes

THUMBNAIL = (32, 32)
CUT_LEVELS = 4.0
CUT_TIMES = 4.0
"""A cut changes the thumbnail by this many grey levels more than this many times what is usual around it."""
AROUND = 5
"""Frames to either side that say what is usual."""


def thumbnail(lightness: Bytes) -> Bytes:
    """What cuts are told by, of a luma plane (H, W)."""
    return np.asarray(cv2.resize(lightness, THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)


class ShotChanges:
    """Looks at one frame after another, of which it keeps one number."""

    def __init__(self) -> None:
        self._changes: list[float] = []
        self._before: NDArray[np.float32] | None = None

    def look(self, small: Bytes) -> bool:
        """Whether the frame of this thumbnail seems to start another shot, by those before it alone."""
        seen = small.astype(np.float32)
        self._changes.append(0.0 if self._before is None else float(np.abs(seen - self._before).mean()))
        self._before = seen
        return _stands_out(self._changes[-1], self._changes[-1 - AROUND :])

    def cuts(self) -> tuple[bool, ...]:
        """For every frame so far whether it starts another shot, by those on either side."""
        return tuple(
            index > 0 and _stands_out(change, self._changes[max(1, index - AROUND) : index + 1 + AROUND])
            for index, change in enumerate(self._changes)
        )


def _stands_out(change: float, around: list[float]) -> bool:
    return change > CUT_LEVELS + CUT_TIMES * float(np.median(around))
