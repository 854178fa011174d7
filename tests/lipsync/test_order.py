"""Which avatar frame each frame of the video shows."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.errors import InvalidInput
from engine.lipsync.order import FrameOrder, LoopOrder, Order


def walk(order: Order, frames: int) -> list[int]:
    return [order[frame] for frame in range(frames)]


def test_bounce_shows_both_ends_twice() -> None:
    assert walk(FrameOrder("bounce", 3), 8) == [0, 1, 2, 2, 1, 0, 0, 1]


def test_bounce_begins_where_it_is_told() -> None:
    assert walk(FrameOrder("bounce", 3, 2), 5) == [2, 2, 1, 0, 0]


def test_loop_jumps_back_to_the_first() -> None:
    assert walk(FrameOrder("loop", 3, 1), 5) == [1, 2, 0, 1, 2]


def test_a_single_picture_stays() -> None:
    assert walk(FrameOrder("bounce", 1), 3) == walk(FrameOrder("loop", 1), 3) == [0, 0, 0]


def test_only_cut_off_has_an_end() -> None:
    assert FrameOrder("cut_off", 10, 4).limit == 6
    assert FrameOrder("loop", 10, 4).limit is None
    assert FrameOrder("bounce", 10, 4).limit is None


def test_start_counts_in_frames_of_a_25th() -> None:
    assert FrameOrder.beginning("loop", 50, 1.99).start == 49


def test_start_past_the_end_says_how_long_the_avatar_is() -> None:
    with pytest.raises(InvalidInput, match=r"lasts 2 s"):
        FrameOrder.beginning("loop", 50, 2.0)


@pytest.mark.parametrize("count", [1, 2, 3, 24, 25, 26, 150, 250, 251, 7_500])
def test_a_loop_at_rest_ends_where_it_began_and_lasts_2_to_20_seconds(count: int) -> None:
    order = LoopOrder.beginning(count, 0)
    shown = walk(order, order.limit)
    assert 50 <= len(shown) <= 500
    assert shown[0] == shown[-1] == 0
    assert set(shown) == set(range(min(count, 250)))
    assert all(abs(one - other) <= 1 for one, other in pairwise(shown))


def test_a_loop_at_rest_begins_where_it_is_told() -> None:
    order = LoopOrder.beginning(40, 0.4)
    assert set(walk(order, order.limit)) == set(range(10, 40))
    with pytest.raises(InvalidInput, match="begin earlier"):
        LoopOrder.beginning(40, 1.6)
