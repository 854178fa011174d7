from __future__ import annotations

import pytest

from bench.scaling.course_figures import (
    Waiting,
    busiest,
    figures,
    most_at_once,
    percentile,
    purchases,
    purchases_at_once,
    waits_of,
)
from bench.scaling.modelled_endpoint import Course, Life, Served


def _served(asked: float, taken: float, done: float, action: str = "generate") -> Served:
    video = 8.0 if action == "generate" else 0.0
    return Served(action, asked, taken, done, video, gpu=video / 4, worker=0)


COURSE = Course(
    served=(_served(0, 3, 4, "create_session"), _served(5, 5, 9), _served(6, 9, 13)),
    lives=(Life(0, 0, 3, 18.2, 9), Life(1, 10, 13, 16, 0)),
)


def test_workers_are_paid_from_start_to_end_by_whole_seconds() -> None:
    found = figures(COURSE)
    assert (found.paid, found.cold_starts, found.peak) == (19 + 6, 2, 2)
    assert found.cost == pytest.approx(25 / 16)
    assert found.working_share == pytest.approx(9 / 25)
    assert found.drawing_share == pytest.approx(4 / 25)
    assert found.mean_workers == pytest.approx(25 / 13)


def test_waiting_is_from_the_asking_to_the_hand_out() -> None:
    assert figures(COURSE).waiting == Waiting(3, 3, 3)
    assert waits_of(float(each) for each in reversed(range(1, 101))) == Waiting(50, 95, 99)
    assert percentile([7.0], 0) == 7.0


def test_speech_is_bought_when_a_video_begins() -> None:
    assert purchases(COURSE.served) == [5, 9]
    assert [purchases_at_once([5, 9, 9.5], seconds) for seconds in (0.4, 0.6, 4, 5)] == [1, 2, 2, 3]


def test_the_busiest_stretch_is_a_rate() -> None:
    assert busiest([0.1, 0.9, 1.0, 1.5, 1.9, 60.0], 1.0) == 3
    assert busiest([0.1, 0.9, 1.0, 1.5, 1.9, 60.0], 60.0) == pytest.approx(5 / 60)


def test_what_ends_as_another_begins_is_not_at_once_with_it() -> None:
    assert most_at_once([(1, 2), (0, 1), (2, 3)]) == 1
    assert most_at_once([(0, 10), (1, 2), (1.5, 4), (3, 5)]) == 3
    assert most_at_once([]) == 0
