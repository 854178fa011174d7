"""Differences of pictures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.parity import Bound, Difference

BLACK = np.zeros((2, 4, 4, 3), np.uint8)


def test_equal_pictures_are_within_every_bound() -> None:
    same = Difference.between(BLACK, BLACK)
    assert (same.mean, same.worst_mean, same.worst_psnr) == (0.0, 0.0, float("inf"))
    assert same.within(Bound(0.1, 99))


def test_the_worst_picture_decides() -> None:
    other = BLACK.copy()
    other[1] = 2
    apart = Difference.between(other, BLACK)
    assert (apart.mean, apart.worst_mean) == (1.0, 2.0)
    # A squared difference of 4: 10 log10(255^2 / 4).
    assert apart.worst_psnr == pytest.approx(42.11, abs=0.01)
    assert apart.within(Bound(2.5, 42.0))
    assert not apart.within(Bound(2.0, 42.0))
    assert not apart.within(Bound(2.5, 42.2))


def test_darker_and_brighter_count_alike() -> None:
    grey = np.full((1, 2, 2, 3), 100, np.uint8)
    lighter, darker = Difference.between(grey + 3, grey), Difference.between(grey - 3, grey)
    assert lighter == darker
