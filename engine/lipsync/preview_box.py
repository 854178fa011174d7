"""The box that the preview draws each frame in, and its mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, ceil, cos, sin

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.mouth_warp import ABOVE_REACH, BELOW_CHIN, SIDE_REACH, Mouth
from engine.video.i420 import Box, Bytes

SIZE_STEP = 32
"""Box sizes are multiples of this, so that a clip has few of them."""
FADE = 8
"""Pixels over which the mask fades out at the box's edge, outside all that moves."""


@dataclass(frozen=True)
class MaskKey:
    """All that a mask depends on: the box's size, and which of its edges lie on the frame's own."""

    width: int
    height: int
    edges: tuple[bool, bool, bool, bool]


def mouth_box(mouth: Mouth, width: int, height: int) -> Box:
    """The even-aligned box within a frame of that size that holds all that the preview moves, and the mask's fade."""
    across, down = _corners(mouth)
    left, right = _span(float(across.min()), float(across.max()), width)
    top, bottom = _span(float(down.min()), float(down.max()), height)
    return Box(left, top, right, bottom)


def _corners(mouth: Mouth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = atan(mouth.slope)
    side = SIDE_REACH * mouth.half
    p = np.array([-side, side, side, -side])
    above, below = -ABOVE_REACH * mouth.half, mouth.chin + BELOW_CHIN * mouth.half
    # A bowed line carries the movement's upper and lower end with it.
    bow = 1.5 * mouth.half * mouth.bow
    q = np.array([above + min(bow, 0), above + min(bow, 0), below + max(bow, 0), below + max(bow, 0)])
    return mouth.x + p * cos(angle) - q * sin(angle), mouth.y + p * sin(angle) + q * cos(angle)


def _span(first: float, last: float, limit: int) -> tuple[int, int]:
    """Even [start, stop) about first..last with the fade, a multiple of SIZE_STEP long unless the frame cuts it."""
    length = SIZE_STEP * ceil((last - first + 2 * FADE + 4) / SIZE_STEP)
    start = 2 * round((first + last - length) / 4)
    return max(0, start), min(limit, start + length)


def mask_key(box: Box, width: int, height: int) -> MaskKey:
    """What the mask of ``box`` in a frame of that size depends on."""
    edges = (box.left == 0, box.top == 0, box.right == width, box.bottom == height)
    return MaskKey(box.width, box.height, edges)


def mask_of(key: MaskKey) -> Bytes:
    """255 inside, fading to 0 at the box's edges except where the frame ends there too."""
    left, top, right, bottom = key.edges
    across, down = _ramp(key.width, left, right), _ramp(key.height, top, bottom)
    return np.round(255 * np.outer(down, across)).astype(np.uint8)


def _ramp(length: int, start_open: bool, stop_open: bool) -> NDArray[np.float64]:
    rise = np.clip(np.arange(length) / FADE, 0, 1)
    ramp = np.ones(length)
    if not start_open:
        ramp *= rise
    if not stop_open:
        ramp *= rise[::-1]
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
