"""Pictures made smaller: their proportions, and every colour where its light and shade is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.video.i420 import I420
from engine.video.scale import Scaler, Size

WIDTH, HEIGHT = 640, 360
AT_X, AT_Y, SPREAD = 250.0, 150.0, 20.0
"""Where the spot of ``spotted`` lies, and how wide it is, in pixels."""


def spot(columns: NDArray[np.floating[Any]], rows: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    across, down = np.exp(-(((columns - AT_X) / SPREAD) ** 2)), np.exp(-(((rows - AT_Y) / SPREAD) ** 2))
    return np.asarray(np.round(200 * down[:, np.newaxis] * across), np.uint8)


def spotted() -> I420:
    """A spot that is in light and shade where it is in colour, by the places that H.264 gives to samples."""
    picture = I420.blank(WIDTH, HEIGHT)
    picture.y[:] = spot(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    picture.u[:] = picture.v[:] = spot(2 * np.arange(WIDTH // 2) + 0.5, 2.0 * np.arange(HEIGHT // 2) + 1)
    return picture


def middle(
    plane: NDArray[np.uint8], columns: NDArray[np.floating[Any]], rows: NDArray[np.floating[Any]]
) -> tuple[float, float]:
    weight = plane.astype(float)
    return float((weight @ columns).sum() / weight.sum()), float((rows @ weight).sum() / weight.sum())


@pytest.mark.parametrize(
    ("size", "height", "scaled"),
    [
        ((1920, 1080), 720, (1280, 720)),
        ((1920, 1080), 480, (854, 480)),
        ((768, 900), 450, (384, 450)),
        ((720, 1280), 130, (74, 130)),
        ((64, 2160), 128, (4, 128)),
        ((64, 64), 128, (64, 64)),
        ((1280, 720), 720, (1280, 720)),
        ((1280, 720), 2160, (1280, 720)),
        ((1280, 720), None, (1280, 720)),
    ],
)
def test_a_size_keeps_its_proportions_and_never_grows(
    size: tuple[int, int], height: int | None, scaled: tuple[int, int]
) -> None:
    assert Size(*size).scaled_to(height) == Size(*scaled)


@pytest.mark.parametrize("height", [130, 180, 240, 270, 358])
def test_colour_stays_where_its_light_and_shade_is(height: int) -> None:
    target = Size(WIDTH, HEIGHT).scaled_to(height)
    picture = Scaler(Size(WIDTH, HEIGHT), target).scaled(spotted())
    assert (picture.width, picture.height) == (target.width, target.height)
    there = (AT_X * target.width / WIDTH, AT_Y * target.height / HEIGHT)
    columns, rows = np.arange(target.width) + 0.5, np.arange(target.height) + 0.5
    assert middle(picture.y, columns, rows) == pytest.approx(there, abs=0.06)
    columns, rows = 2 * np.arange(target.width // 2) + 0.5, 2.0 * np.arange(target.height // 2) + 1
    assert middle(picture.u, columns, rows) == pytest.approx(there, abs=0.06)
    assert np.array_equal(picture.u, picture.v)


def test_one_colour_stays_that_very_colour() -> None:
    picture = I420.blank(128, 258)
    picture.y[:], picture.u[:], picture.v[:] = 16, 240, 90
    small = Scaler(Size(128, 258), Size(64, 130)).scaled(picture)
    assert {int(plane.min()) for plane in (small.y, small.u, small.v)} == {16, 240, 90}
    assert {int(plane.max()) for plane in (small.y, small.u, small.v)} == {16, 240, 90}


def test_one_scaler_takes_picture_after_picture_and_keeps_none() -> None:
    scaler, picture = Scaler(Size(128, 128), Size(64, 64)), I420.blank(128, 128)
    seen = []
    for level in (40, 200, 90):
        picture.packed[:] = level
        seen.append(scaler.scaled(picture))
    assert [int(one.y.mean()) for one in seen] == [40, 200, 90]
