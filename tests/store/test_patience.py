from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from engine.outages import StorageFull, StorageUnavailable
from engine.store.patience import Deadline, NoAnswer, Patience, persist

QUICK = Patience(first_pause=0.01, longest_pause=0.05)


def failing(times: int, error: Exception, calls: list[float]) -> Callable[[], str]:
    def attempt() -> str:
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error
        return "done"

    return attempt


def test_what_works_is_done_once() -> None:
    calls: list[float] = []
    assert persist(failing(0, NoAnswer(""), calls), QUICK, Deadline(1)) == "done"
    assert len(calls) == 1


def test_what_gets_no_answer_is_done_again_after_growing_pauses() -> None:
    calls: list[float] = []
    assert persist(failing(4, NoAnswer(""), calls), QUICK, Deadline(5)) == "done"
    pauses = [later - earlier for earlier, later in pairwise(calls)]
    assert len(pauses) == 4
    assert pauses[0] >= 0.005
    assert pauses[3] >= 0.025


def test_the_deadline_ends_it() -> None:
    calls: list[float] = []
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        persist(failing(1000, NoAnswer("away"), calls), QUICK, Deadline(0.3))
    # A thousand tries would take most of a minute.
    assert time.monotonic() - begun < 10
    assert len(calls) > 3


def test_another_error_ends_it_at_once() -> None:
    calls: list[float] = []
    with pytest.raises(StorageFull):
        persist(failing(1, StorageFull(""), calls), QUICK, Deadline(1))
    assert len(calls) == 1


def test_a_deadline_within_another_is_the_earlier_one() -> None:
    assert Deadline(10).within(1).left <= 1
    assert Deadline(1).within(10).left <= 1


def test_a_past_deadline_is_an_outage() -> None:
    Deadline(10).check()
    with pytest.raises(StorageUnavailable, match="too slow"):
        Deadline(-1).check()
