"""Resizes square pictures as Pillow does, to the byte, without Pillow.

The reference's masks went through Pillow, whose filters widen when a picture shrinks; OpenCV's don't, and its
area filter is a box where Pillow's is a triangle. Filters and roundings are those of Pillow's ``Resample.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.video.i420 import Bytes

Floats = NDArray[np.float64]

UNIT = 2**22
"""Pillow's weights are whole multiples of 1 / UNIT."""
BLOCK = 16
"""Outputs that are computed at once: enough for a matrix product to pay, few enough that most weights aren't zero.

Also few enough for OpenBLAS to stay in one thread. With 64 its threads wait for each other: 480 to 512 pixels took
280 ms of two busy cores instead of 7.
"""


@dataclass(frozen=True)
class Filter:
    """``weigh`` gives the weight at a distance from the middle, in pixels; it is 0 from ``reach`` on."""

    reach: float
    weigh: Callable[[Floats], Floats]


def _triangle(distance: Floats) -> Floats:
    return np.maximum(0.0, 1.0 - np.abs(distance))


def _keys(distance: Floats) -> Floats:
    """Keys' cubic with a = -1/2 (Keys 1981, equation 15)."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = -0.5 * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


BILINEAR = Filter(1.0, _triangle)
BICUBIC = Filter(2.0, _keys)


@dataclass(frozen=True)
class _Block:
    """Outputs [first, first + rows of ``weights``) and the inputs [start, stop) that they are made of."""

    first: int
    start: int
    stop: int
    weights: Floats


def resize_square(planes: Bytes, side: int, kernel: Filter) -> Bytes:
    """uint8 (..., N, N) to (..., side, side).

    Squares alone, because Pillow 13 changes the order of its two passes, and so its roundings, for others.
    """
    across = _along_rows(planes, side, kernel)
    down = _along_rows(np.swapaxes(across, -1, -2), side, kernel)
    return np.ascontiguousarray(np.swapaxes(down, -1, -2))


def _along_rows(planes: Bytes, length: int, kernel: Filter) -> Bytes:
    # Sums of whole numbers below 2**53 are exact in doubles, whatever order they are added in.
    rows = np.ascontiguousarray(planes, np.float64)
    resized = np.empty((*planes.shape[:-1], length), np.uint8)
    for block in _blocks(planes.shape[-1], length, kernel):
        sums = rows[..., block.start : block.stop] @ block.weights.T
        levels = np.floor(sums / UNIT + 0.5)
        resized[..., block.first : block.first + len(block.weights)] = np.clip(levels, 0, 255)
    return resized


@lru_cache(maxsize=64)
def _blocks(size: int, length: int, kernel: Filter) -> tuple[_Block, ...]:
    return tuple(_made_blocks(size, length, kernel))


def _made_blocks(size: int, length: int, kernel: Filter) -> Iterator[_Block]:
    scale = size / length
    widening = max(scale, 1.0)
    reach = kernel.reach * widening
    for first in range(0, length, BLOCK):
        middles = (np.arange(first, min(first + BLOCK, length)) + 0.5) * scale
        starts = np.maximum(0, np.trunc(middles - reach + 0.5))[:, None]
        stops = np.minimum(size, np.trunc(middles + reach + 0.5))[:, None]
        start, stop = int(starts.min()), int(stops.max())
        inputs = np.arange(start, stop)
        weights = kernel.weigh((inputs - middles[:, None] + 0.5) / widening)
        weights *= (inputs >= starts) & (inputs < stops)
        weights /= weights.sum(1, keepdims=True)
        yield _Block(first, start, stop, np.trunc(weights * UNIT + np.copysign(0.5, weights)))
