"""Resizing, against Pillow itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.lipsync.pillow_resize import BICUBIC, BILINEAR, Filter, resize_square
from engine.video.i420 import Bytes

FILTERS = [(BILINEAR, Image.Resampling.BILINEAR), (BICUBIC, Image.Resampling.BICUBIC)]
sides = st.integers(1, 140)


def noise(side: int, seed: int = 1) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def by_pillow(picture: Bytes, side: int, kernel: Image.Resampling) -> Bytes:
    return np.asarray(Image.fromarray(picture).resize((side, side), kernel))


@pytest.mark.parametrize(("ours", "theirs"), FILTERS)
@pytest.mark.parametrize(("source", "target"), [(512, 700), (512, 96), (901, 512), (512, 511), (9, 9), (2, 512)])
def test_every_byte_is_pillows(source: int, target: int, ours: Filter, theirs: Image.Resampling) -> None:
    for picture in (noise(source), np.where(noise(source) < 128, 0, 255).astype(np.uint8)):
        assert np.array_equal(resize_square(picture, target, ours), by_pillow(picture, target, theirs))


@settings(max_examples=60, deadline=None)
@given(source=sides, target=sides, kernel=st.sampled_from(FILTERS))
def test_every_size_is_pillows(source: int, target: int, kernel: tuple[Filter, Image.Resampling]) -> None:
    picture = noise(source, seed=source)
    assert np.array_equal(resize_square(picture, target, kernel[0]), by_pillow(picture, target, kernel[1]))


def test_planes_are_resized_one_by_one() -> None:
    planes = np.stack([noise(50, seed) for seed in range(3)])
    expected = np.stack([resize_square(plane, 77, BILINEAR) for plane in planes])
    assert np.array_equal(resize_square(planes, 77, BILINEAR), expected)


def test_a_cubic_stays_within_a_byte() -> None:
    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 255
    wide = resize_square(step, 64, BICUBIC)
    assert wide[:, :20].max() == 0
    assert wide[:, -20:].min() == 255
