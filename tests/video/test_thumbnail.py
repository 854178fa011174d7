"""Thumbnails decoded again by another library."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from engine.video.i420 import I420
from engine.video.thumbnail import thumbnail


def _bt709(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """ITU-R BT.709: 8-bit limited range Y, Cb, Cr of a full-range colour."""
    r, g, b = red / 255, green / 255, blue / 255
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return round(16 + 219 * luma), round(128 + 224 * (b - luma) / 1.8556), round(128 + 224 * (r - luma) / 1.5748)


def _filled(width: int, height: int, colour: tuple[int, int, int]) -> I420:
    picture = I420.blank(width, height)
    picture.y[:], picture.u[:], picture.v[:] = _bt709(*colour)
    return picture


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 120), (30, 90, 160)]
)
def test_colours_come_out_as_they_were(colour: tuple[int, int, int]) -> None:
    shown = np.asarray(Image.open(BytesIO(thumbnail(_filled(64, 48, colour)))).convert("RGB"), dtype=int)
    assert np.abs(shown - colour).max() <= 5


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1280, 720), (640, 360)), ((720, 1280), (360, 640)), ((64, 48), (64, 48)), ((2, 1280), (1, 640))],
)
def test_the_longer_side_is_limited_and_nothing_is_enlarged(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    picture = Image.open(BytesIO(thumbnail(_filled(*size, (90, 90, 90)))))
    assert (picture.format, picture.size) == ("JPEG", wanted)


def test_the_picture_is_not_turned_or_mirrored() -> None:
    picture = _filled(64, 48, (0, 0, 0))
    picture.y[:12, :16] = 235
    shown = np.asarray(Image.open(BytesIO(thumbnail(picture))).convert("L"))
    assert shown[:10, :14].min() > 240
    assert shown[14:, 18:].max() < 15
