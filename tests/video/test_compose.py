"""Composition held equal, to the byte, to Pillow's paste through a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from engine.video.compose import Alpha, compose
from engine.video.i420 import I420, Box, Bytes


def _picture(rng: np.random.Generator, width: int, height: int) -> I420:
    return I420(rng.integers(0, 256, (height * 3 // 2, width), dtype=np.uint8))


def _pasted(frame: Bytes, crop: Bytes, mask: Bytes, left: int, top: int) -> Bytes:
    canvas = Image.fromarray(frame.copy())
    canvas.paste(Image.fromarray(crop), (left, top), Image.fromarray(mask))
    return np.asarray(canvas)


def _chroma_mask(mask: Bytes) -> Bytes:
    corners = [mask[row::2, column::2].astype(int) for row in (0, 1) for column in (0, 1)]
    mean: Bytes = np.floor(np.mean(corners, axis=0)).astype(np.uint8)
    return mean


def _mask(rng: np.random.Generator, kind: str) -> Bytes:
    mask = rng.integers(0, 3 if kind == "faint" else 256, (14, 20), dtype=np.uint8)
    if kind == "spots":
        mask[rng.random(mask.shape) > 0.05] = 0
    if kind == "solid":
        mask[:] = 255
    return mask


def _same(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> bool:
    return bool(np.array_equal(found, wanted))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["noise", "spots", "solid", "faint"]))
@settings(max_examples=40, deadline=None)
def test_every_plane_equals_pillows_paste(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    frame, crop = _picture(rng, 48, 36), _picture(rng, 20, 14)
    left, top = 2 * int(rng.integers(0, 15)), 2 * int(rng.integers(0, 12))
    mask = _mask(rng, kind)
    made = compose(frame, crop, Box(left, top, left + 20, top + 14), Alpha.of(mask))
    assert _same(made.y, _pasted(frame.y, crop.y, mask, left, top))
    chroma = _chroma_mask(mask)
    assert _same(made.u, _pasted(frame.u, crop.u, chroma, left // 2, top // 2))
    assert _same(made.v, _pasted(frame.v, crop.v, chroma, left // 2, top // 2))


def test_the_formula_equals_pillows_for_every_pair_of_samples() -> None:
    """All 65,536 pairs of old and new sample, under masks from 0 to 255."""
    old, new = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    frame, crop = I420.blank(256, 256), I420.blank(256, 256)
    frame.y[:], crop.y[:] = old, new
    for value in [*range(0, 256, 5), 1, 127, 128, 254]:
        mask = np.full((256, 256), value, np.uint8)
        made = compose(frame, crop, Box(0, 0, 256, 256), Alpha.of(mask))
        assert _same(made.y, _pasted(old, new, mask, 0, 0))


def test_outside_the_mask_nothing_changes_and_the_frame_itself_stays() -> None:
    rng = np.random.default_rng(1)
    frame, crop = _picture(rng, 64, 64), _picture(rng, 32, 32)
    before = frame.packed.copy()
    mask = np.zeros((32, 32), np.uint8)
    mask[9:21, 7:24] = 255
    made = compose(frame, crop, Box(16, 20, 48, 52), Alpha.of(mask))
    assert _same(frame.packed, before)
    untouched = np.ones((64, 64), bool)
    untouched[20 + 9 : 20 + 21, 16 + 7 : 16 + 24] = False
    assert _same(made.y[untouched], frame.y[untouched])
    assert _same(made.y[29:41, 23:40], crop.y[9:21, 7:24])
    colourless = untouched.reshape(32, 2, 32, 2).all(axis=(1, 3))
    assert _same(made.u[colourless], frame.u[colourless])
    assert _same(made.v[colourless], frame.v[colourless])


def test_an_empty_mask_gives_the_frame() -> None:
    rng = np.random.default_rng(2)
    frame, crop = _picture(rng, 32, 32), _picture(rng, 16, 16)
    alpha = Alpha.of(np.zeros((16, 16), np.uint8))
    assert alpha.area.empty
    assert _same(compose(frame, crop, Box(0, 0, 16, 16), alpha).packed, frame.packed)


def test_the_area_is_the_masks_own_with_even_edges() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5, 9] = 1
    mask[12, 20] = 1
    assert Alpha.of(mask).area == Box(8, 4, 22, 14)


@pytest.mark.parametrize("shape", [(15, 16), (16, 15)])
def test_a_mask_of_odd_size_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        Alpha.of(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("crop", "mask"), [((18, 16), (16, 16)), ((16, 16), (18, 16))])
def test_a_crop_or_mask_of_another_size_than_the_box_is_refused(crop: tuple[int, int], mask: tuple[int, int]) -> None:
    frame = I420.blank(64, 64)
    with pytest.raises(ValueError, match="size"):
        compose(frame, I420.blank(*crop), Box(0, 0, 16, 16), Alpha.of(np.zeros(mask[::-1], np.uint8)))
