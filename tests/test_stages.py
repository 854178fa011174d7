"""Stages beside each other: order, bounds, errors and leaving early."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator

import pytest

from engine.stages import abreast, batched, beside


def counting(end: int, taken: list[int]) -> Generator[int, None, None]:
    for number in range(end):
        taken.append(number)
        yield number


def test_work_abreast_sees_its_caller_s_context() -> None:
    job: contextvars.ContextVar[str] = contextvars.ContextVar("job")
    job.set("this one")
    assert list(abreast(range(5), lambda _: job.get(), 2)) == ["this one"] * 5


def test_items_come_in_order_from_another_thread() -> None:
    threads: set[str] = set()

    def source() -> Generator[int, None, None]:
        for number in range(100):
            threads.add(threading.current_thread().name)
            yield number

    with beside(source(), 3, "numbers") as items:
        assert list(items) == list(range(100))
    assert threads == {"numbers"}


def test_a_stage_runs_no_further_ahead_than_its_depth() -> None:
    taken: list[int] = []
    with beside(counting(1000, taken), 5, "bounded") as items:
        next(items)
        time.sleep(0.3)
        assert len(taken) <= 1 + 5 + 1


def test_an_error_is_raised_where_items_are_taken() -> None:
    def source() -> Generator[int, None, None]:
        yield 1
        raise ValueError("broken")

    with beside(source(), 2, "failing") as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_leaving_early_ends_the_source_and_runs_its_clean_up() -> None:
    closed = threading.Event()

    def source() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with beside(source(), 2, "endless") as items:
        next(items)
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "endless"]


def test_stages_can_follow_each_other_and_all_end_when_the_last_taker_fails() -> None:
    taken: list[int] = []

    def take_until_it_fails() -> None:
        with (
            beside(counting(10**9, taken), 2, "first") as first,
            beside((number * 2 for number in first), 2, "second") as second,
        ):
            for number in second:
                if number == 20:
                    raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        take_until_it_fails()
    assert not {thread.name for thread in threading.enumerate()} & {"first", "second"}
    assert len(taken) < 100


def test_the_source_sees_the_context_of_whoever_started_it() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def source() -> Generator[str, None, None]:
        yield variable.get()

    variable.set("job 7")
    with beside(source(), 1, "context") as items:
        assert next(items) == "job 7"


def test_many_work_abreast_and_their_results_keep_the_order() -> None:
    together = threading.Barrier(3, timeout=10)

    def late(number: int) -> int:
        together.wait()
        time.sleep(0.01 * (2 - number % 3))
        return number * 10

    assert list(abreast(range(30), late, 3)) == [10 * number for number in range(30)]


def test_those_abreast_take_no_more_than_two_items_a_thread_ahead() -> None:
    taken: list[int] = []
    results = abreast(counting(1000, taken), lambda number: number, 3)
    assert next(results) == 0
    assert len(taken) == 7
    results.close()
    assert len(taken) == 7


def test_an_error_abreast_is_raised_in_its_items_place() -> None:
    results = abreast([4, 2, 0, 1], lambda number: 8 // number, 2)
    assert next(results) == 2
    assert next(results) == 4
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_those_abreast_have_ended_when_their_stage_is_left() -> None:
    with beside(abreast(counting(10**9, []), lambda number: number, 2), 1, "broad") as items:
        next(items)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("broad", "abreast"))]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (2, [2]), (3, [3]), (7, [3, 3, 1])])
def test_batches_are_full_but_for_the_last(count: int, sizes: list[int]) -> None:
    batches = list(batched(range(count), 3))
    assert [len(batch) for batch in batches] == sizes
    assert [number for batch in batches for number in batch] == list(range(count))
