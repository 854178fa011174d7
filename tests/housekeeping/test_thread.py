from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from engine.housekeeping.thread import HousekeepingThread
from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from tests.housekeeping.house import DAY, House

SOON = timedelta(milliseconds=5)
NEVER = timedelta(days=1)


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@contextmanager
def running(thread: HousekeepingThread) -> Iterator[HousekeepingThread]:
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_it_sweeps_again_and_again(house: House) -> None:
    house.now += 3 * DAY
    with running(HousekeepingThread(house.housekeeper, SOON, house.clock, SOON)):
        for upload in ("uploads/a", "uploads/b"):
            house.put(upload)
            assert wait_for(lambda: house.stored("uploads/") == [])


def test_the_first_sweep_comes_some_time_after_the_start_and_the_others_later(house: House) -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return 1.0

    house.put("uploads/a")
    house.now += 3 * DAY
    with running(HousekeepingThread(house.housekeeper, NEVER, house.clock, SOON, uniform)):
        assert wait_for(lambda: house.stored() == [])
        house.put("uploads/b")
        assert wait_for(lambda: len(drawn) == 2)
        time.sleep(0.05)
        assert house.stored() == ["uploads/b"]
    assert drawn == [(0.5, 1.5)] * 2


def test_it_stops_at_once_while_it_waits(house: House) -> None:
    thread = HousekeepingThread(house.housekeeper, NEVER, house.clock, NEVER)
    thread.start()
    began = time.monotonic()
    thread.stop()
    thread.stop()
    assert time.monotonic() - began < 10
    assert "housekeeping" not in [each.name for each in threading.enumerate()]


def test_it_can_be_stopped_without_having_begun(house: House) -> None:
    HousekeepingThread(house.housekeeper, NEVER).stop()


def test_it_stops_in_the_middle_of_a_sweep(tmp_path: Path) -> None:
    at_work = threading.Event()

    class SlowStore(LocalStore):
        def delete(self, key: str) -> None:
            at_work.set()
            time.sleep(0.05)
            super().delete(key)

    house = House(tmp_path, SlowStore(tmp_path / "store"))
    house.put(*(f"uploads/{number}" for number in range(100)))
    house.now += 3 * DAY
    with running(HousekeepingThread(house.housekeeper, SOON, house.clock, SOON, middle)) as thread:
        assert at_work.wait(10)
        thread.stop()
        assert "housekeeping" not in [each.name for each in threading.enumerate()]
    assert len(house.stored()) > 50


@pytest.mark.parametrize("failure", [StorageUnavailable("The storage is away."), KeyError("a defect")])
def test_a_sweep_that_fails_is_logged_and_followed_by_another(
    tmp_path: Path, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [failure]

    class FailingStore(LocalStore):
        def sweep(self) -> None:
            if failures and "housekeeping" in threading.current_thread().name:
                raise failures.pop()
            super().sweep()

    house = House(tmp_path, FailingStore(tmp_path / "store"))
    with (
        caplog.at_level(logging.INFO, logger="engine.housekeeping"),
        running(HousekeepingThread(house.housekeeper, SOON, house.clock, SOON)),
    ):
        assert wait_for(lambda: not failures and "failures=0" in caplog.text)
    assert str(failure.args[0]) in caplog.text
