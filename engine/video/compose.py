"""Laying a renderer's picture of the face over the avatar's frame.

Blending happens plane by plane in YUV, never in RGB: a sample whose mask is 0 keeps the frame's byte,
and nothing is converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from engine.video.i420 import I420, Box, Bytes


@dataclass(frozen=True)
class Alpha:
    """A mask made ready for composition: once for each distinct mask, not once a frame.

    area: the part of the mask that is not all zero, in the mask's own pixels, edges even; may be empty.
    luma: uint8 of the area's size, 255 where the new picture replaces the frame's.
    chroma: uint8 of half that size each way.
    """

    size: tuple[int, int]
    area: Box
    luma: Bytes
    chroma: Bytes

    @classmethod
    def of(cls, mask: Bytes) -> Alpha:
        """Prepare ``mask``, uint8 of (height, width), both even.

        A chroma sample's mask is the mean of its four luma samples', rounded down, so colour under an
        all-zero mask stays untouched too.
        """
        height, width = mask.shape
        if mask.dtype != np.uint8 or height % 2 or width % 2:
            raise ValueError("a mask is uint8 of even height and width")
        area = _even_bounds(mask)
        luma = np.ascontiguousarray(mask[area.top : area.bottom, area.left : area.right])
        return cls((width, height), area, luma, _mean_of_four(luma))


def compose(frame: I420, crop: I420, box: Box, alpha: Alpha) -> I420:
    """A copy of ``frame`` with ``crop`` laid over it at ``box``, as far as ``alpha`` lets it through.

    ``crop`` and the mask have the box's size, and the box lies within the frame. Every plane is blended by
    Pillow's integer formula for pasting through a mask (``_blend``), to the byte.
    """
    if (crop.width, crop.height) != (box.width, box.height) or alpha.size != (box.width, box.height):
        raise ValueError("the crop and its mask have the box's size")
    picture = frame.copy()
    area = alpha.area
    if area.empty:
        return picture
    here, there = _rows_and_columns(area, 0, 0), _rows_and_columns(area, box.left, box.top)
    _blend(picture.y[there], crop.y[here], alpha.luma)
    here, there = _halved(here), _halved(there)
    _blend(picture.u[there], crop.u[here], alpha.chroma)
    _blend(picture.v[there], crop.v[here], alpha.chroma)
    return picture


def _blend(target: Bytes, source: Bytes, mask: Bytes) -> None:
    """target = round((target * (255 - mask) + source * mask) / 255), in place.

    t = target * (255 - mask) + source * mask + 128; (t + (t >> 8)) >> 8. The largest sum is
    255 * 255 + 128 + 254 = 65,407, so 16 bits hold every step.
    """
    total = np.multiply(target, 255 - mask, dtype=np.uint16)
    total += np.multiply(source, mask, dtype=np.uint16)
    total += 128
    total += total >> 8
    total >>= 8
    target[...] = total


def _even_bounds(mask: Bytes) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Box(0, 0, 0, 0)
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Box(left - left % 2, top - top % 2, right + right % 2, bottom + bottom % 2)


def _mean_of_four(luma: Bytes) -> Bytes:
    height, width = luma.shape
    sums = luma.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3), dtype=np.uint16)
    return cast(Bytes, (sums >> 2).astype(np.uint8))


def _rows_and_columns(area: Box, left: int, top: int) -> tuple[slice, slice]:
    return slice(top + area.top, top + area.bottom), slice(left + area.left, left + area.right)


def _halved(place: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = place
    return slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
