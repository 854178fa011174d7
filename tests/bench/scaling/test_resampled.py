from __future__ import annotations

import pytest

from bench.scaling.resampled import InOrder, Resampled
from tests.bench.scaling.measured_times import job, measured


def test_a_draw_is_a_measured_job_of_the_same_action_with_as_many_beside() -> None:
    alone, beside_one, created = job(service=1.0), job(service=2.0, beside=1), job("create_session", 9.0)
    times = Resampled(measured(alone, beside_one, created), "seed")
    assert {times.job("generate", 0) for _ in range(20)} == {alone}
    assert {times.job("generate", 1) for _ in range(20)} == {beside_one}
    assert {times.job("create_session", 1) for _ in range(20)} == {created}


def test_where_nothing_was_measured_beside_so_many_the_nearest_is_drawn() -> None:
    few, many = job(beside=1), job(service=7.0, beside=4)
    times = Resampled(measured(few, many), "seed")
    assert [times.job("generate", beside) for beside in (0, 2, 3, 9)] == [few, few, many, many]


def test_draws_take_in_all_that_was_measured_and_are_the_same_for_the_same_seed() -> None:
    every = measured(*(job(service=float(seconds)) for seconds in range(1, 6)))
    one, same, other = Resampled(every, "one"), Resampled(every, "one"), Resampled(every, "other")
    drawn = [one.job("generate", 0) for _ in range(100)]
    assert set(drawn) == set(every.jobs)
    assert drawn == [same.job("generate", 0) for _ in range(100)]
    assert drawn != [other.job("generate", 0) for _ in range(100)]


def test_what_was_not_measured_cannot_be_drawn() -> None:
    with pytest.raises(KeyError, match="delete_session"):
        Resampled(measured(), "seed").job("delete_session", 0)
    with pytest.raises(ValueError, match="cold start"):
        Resampled(measured().model_copy(update={"cold_starts": ()}), "seed")


def test_in_order_each_action_has_its_own_times_and_begins_anew_after_the_last() -> None:
    first, created, second = job(service=1.0), job("create_session"), job(service=2.0)
    times = InOrder(measured(first, created, second))
    assert [times.job("generate", beside) for beside in (0, 5, 0)] == [first, second, first]
    assert times.job("create_session", 0) == created
    assert [times.cold_start(), times.cold_start()] == [3.0, 3.0]
