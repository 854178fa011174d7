from __future__ import annotations

import numpy as np
import pytest

from engine.lipsync.face_finder import FaceBox
from engine.lipsync.face_path import Take, face_path, seconds_of, steadied, without_lag


def still(count: int, left: float = 100.0) -> list[FaceBox | None]:
    return [FaceBox(left, 50.0, 80.0)] * count


def uncut(count: int) -> list[bool]:
    return [False] * count


@pytest.mark.parametrize("length", [1, 5])
def test_a_short_hole_is_closed_by_what_lies_between(length: int) -> None:
    seen = [*still(10), *[None] * length, *still(10, 106.0)]
    path = face_path(seen, uncut(len(seen)))
    assert path.takes == (Take(0, len(seen)),)
    assert path.share == 1
    assert all(box is not None and 99 < box.left < 107 for box in path.boxes)


def test_a_long_hole_stays_without_a_face() -> None:
    seen = [*still(10), *[None] * 6, *still(10)]
    path = face_path(seen, uncut(26))
    assert path.takes == (Take(0, 10), Take(16, 26))
    assert path.faceless() == (Take(10, 16),)
    assert path.boxes[12] is None


def test_a_hole_between_two_faces_or_across_a_cut_stays() -> None:
    other = [*still(10), None, None, *still(10, 300.0)]
    assert face_path(other, uncut(22)).faceless() == (Take(10, 12),)
    cuts = uncut(22)
    cuts[11] = True
    assert face_path([*still(10), None, None, *still(10)], cuts).faceless() == (Take(10, 12),)


def test_holes_at_the_ends_are_not_guessed() -> None:
    path = face_path([None, *still(5), None], uncut(7))
    assert path.faceless() == (Take(0, 1), Take(6, 7))


def test_a_jump_is_not_smoothed_across() -> None:
    path = face_path([*still(12), *still(12, 180.0)], uncut(24))
    assert path.takes == (Take(0, 12), Take(12, 24))
    lefts = [box.left for box in path.boxes if box]
    assert lefts[:12] == pytest.approx([100.0] * 12)
    assert lefts[12:] == pytest.approx([180.0] * 12)


def test_a_cut_parts_takes_even_where_the_face_stays() -> None:
    cuts = uncut(20)
    cuts[8] = True
    assert face_path(still(20), cuts).takes == (Take(0, 8), Take(8, 20))


def test_smoothing_has_no_lag_and_calms_noise() -> None:
    steady = np.arange(200, dtype=np.float64)[:, None] * 2
    noisy = steady + np.random.default_rng(3).normal(0, 3, steady.shape)
    smooth = without_lag(noisy, 0.15)
    middle = slice(30, -30)
    assert abs(float((smooth - steady)[middle].mean())) < 0.5
    assert float((smooth - steady)[middle].std()) < 1.5
    assert float(np.abs(np.diff(smooth[:, 0], 2)).mean()) < float(np.abs(np.diff(noisy[:, 0], 2)).mean()) / 8


def test_a_single_miss_leaves_no_trace() -> None:
    rows = np.zeros((21, 1))
    rows[10] = 50
    assert not steadied(rows).any()


def test_seconds_are_ranges() -> None:
    assert seconds_of([Take(0, 30), Take(85, 150)]) == "0.0-1.2 s, 3.4-6.0 s"
