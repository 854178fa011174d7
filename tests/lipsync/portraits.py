"""Faces to test with: the public-domain portraits that matplotlib and scikit-image carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from engine.video.i420 import I420, Bytes

GRACE_MOUTH = (267, 275)
"""The middle of the closed mouth in grace(1.0), in pixels: read off the portrait."""


class Frames:
    """A clip in memory."""

    def __init__(self, frames: Sequence[I420]) -> None:
        self._frames = tuple(frames)
        self.walks = 0

    @property
    def count(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> tuple[int, int]:
        return self._frames[0].width, self._frames[0].height

    def frame(self, index: int) -> I420:
        return self._frames[index]

    def __iter__(self) -> Iterator[I420]:
        self.walks += 1
        return iter(self._frames)


@cache
def grace(scale: float = 1.0) -> I420:
    """A frontal face with its mouth closed, 512 x 600 times ``scale``."""
    from matplotlib import cbook

    path = str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return _picture(np.asarray(cv2.imread(path, cv2.IMREAD_COLOR), np.uint8), scale)


@cache
def smiling(scale: float = 1.0) -> I420:
    """A small face that smiles and shows its teeth, 512 x 512 times ``scale``."""
    import skimage.data

    astronaut: Any = skimage.data.astronaut
    return _picture(np.asarray(astronaut()[:, :, ::-1], np.uint8), scale)


def shifted(frame: I420, right: int, down: int) -> I420:
    """The frame moved by an even number of pixels, its edges wrapped."""
    moved = frame.copy()
    moved.y[:] = np.roll(frame.y, (down, right), (0, 1))
    moved.u[:] = np.roll(frame.u, (down // 2, right // 2), (0, 1))
    moved.v[:] = np.roll(frame.v, (down // 2, right // 2), (0, 1))
    return moved


def plain(like: I420) -> I420:
    """A picture of nothing, of the same size."""
    return I420(np.full_like(like.packed, 120))


def _picture(bgr: Bytes, scale: float) -> I420:
    height, width = (2 * round(length * scale / 2) for length in bgr.shape[:2])
    sized = np.ascontiguousarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    frame = av.VideoFrame.from_ndarray(sized, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    return I420(np.ascontiguousarray(frame.to_ndarray(), np.uint8))
