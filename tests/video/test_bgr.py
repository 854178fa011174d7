"""Colours survive the way between BGR and I420."""

from __future__ import annotations

import numpy as np
import pytest
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from engine.video.bgr import bgr_of, i420_of
from engine.video.i420 import I420


def patch(bgr: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((16, 16, 3), bgr, np.uint8)


@pytest.mark.parametrize(
    ("bgr", "yuv"),
    [
        ((0, 0, 255), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((255, 0, 0), (32, 240, 118)),
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
    ],
)
def test_pure_colours_have_their_bt709_values(bgr: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    picture = i420_of(patch(bgr))
    assert (int(picture.y[3, 3]), int(picture.u[3, 3]), int(picture.v[3, 3])) == yuv


def test_colours_come_back() -> None:
    rng = np.random.default_rng(7)
    for colour in rng.integers(0, 256, (50, 3)):
        there = patch((int(colour[0]), int(colour[1]), int(colour[2])))
        assert np.abs(bgr_of(i420_of(there)).astype(int) - there).max() <= 3


def test_libswscale_sees_the_same_colours() -> None:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    bgr = np.kron(small, np.ones((8, 8, 1), np.uint8))
    picture = i420_of(bgr)
    theirs = VideoFrame.from_ndarray(picture.packed, "yuv420p").reformat(
        format="bgr24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG
    )
    inside = np.zeros((64, 64), bool)
    for start in range(0, 64, 8):
        inside[start + 2 : start + 6] = True
    inside &= inside.T
    difference = np.abs(theirs.to_ndarray().astype(int) - bgr_of(picture))[inside]
    assert difference.max() <= 4


def test_sizes_are_kept() -> None:
    picture = I420(np.full((36, 20), 128, np.uint8))
    assert bgr_of(picture).shape == (24, 20, 3)
    assert i420_of(bgr_of(picture)).packed.shape == (36, 20)
