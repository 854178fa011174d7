"""What the store's tests run in processes of their own."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

from engine.store.protocol import ObjectStore

OpenStore = Callable[[], ObjectStore]
Result = TypeVar("Result")
RACERS = 4
_SPAWN = multiprocessing.get_context("spawn")


def race(open_store: OpenStore, entry: Callable[[ObjectStore, int], Result], racers: int = RACERS) -> Sequence[Result]:
    """What ``entry(store, n)`` returned in each of so many processes, all let go at one moment."""
    barrier = _SPAWN.Barrier(racers)
    results: multiprocessing.Queue[Result] = _SPAWN.Queue()
    processes = [
        _SPAWN.Process(target=_race, args=(open_store, entry, barrier, number, results)) for number in range(racers)
    ]
    for process in processes:
        process.start()
    collected = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return collected


def _race(
    open_store: OpenStore,
    entry: Callable[[ObjectStore, int], Result],
    barrier: Barrier,
    number: int,
    results: multiprocessing.Queue[Result],
) -> None:
    store = open_store()
    barrier.wait(timeout=60)
    results.put(entry(store, number))


def create_once(store: ObjectStore, number: int) -> bool:
    return store.put_if_absent("race/one.json", f"by {number}".encode()) is not None


def create_many(store: ObjectStore, number: int) -> list[int]:
    return [turn for turn in range(20) if store.put_if_absent(f"race/{turn}.json", f"by {number}".encode()) is not None]


def count_up(store: ObjectStore, number: int) -> int:
    """Add 1 to the number in `race/count` ten times; returns how often another racer came first."""
    lost = done = 0
    while done < 10:
        found = store.get("race/count")
        assert found is not None
        body = str(int(found.body) + 1).encode()
        if store.put_if_match("race/count", body, found.info.etag) is None:
            lost += 1
        else:
            done += 1
    return lost


def rewrite(store: ObjectStore, number: int) -> int:
    """Overwrite one object with bodies that are each of one letter, and read: how many were mixed."""
    mixed = 0
    for turn in range(15):
        store.put("race/letters", b"abcdefgh"[(number + turn) % 8 :][:1] * 200_000)
        found = store.get("race/letters")
        assert found is not None
        mixed += len(set(found.body)) != 1 or len(found.body) != 200_000
    return mixed


class StallingStream(io.BytesIO):
    """Gives ``size`` bytes, then says so by making the file ``told`` and never returns."""

    def __init__(self, size: int, told: Path) -> None:
        super().__init__()
        self._left = size
        self._told = told

    def read(self, size: int | None = -1, /) -> bytes:
        if self._left == 0:
            self._told.touch()
            time.sleep(3600)
        piece = min(self._left, size or self._left)
        self._left -= piece
        return b"x" * piece


def stall(open_store: OpenStore, key: str, told: Path) -> multiprocessing.process.BaseProcess:
    """A process in the middle of a large upload that never ends."""
    process = _SPAWN.Process(target=_stall, args=(open_store, key, told))
    process.start()
    deadline = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < deadline, "the upload never began"
        time.sleep(0.01)
    return process


def _stall(open_store: OpenStore, key: str, told: Path) -> None:
    open_store().upload(key, StallingStream(20_000_000, told))
