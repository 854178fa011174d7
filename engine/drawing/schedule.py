"""Which frames of which jobs are drawn next: pure logic, without a clock, a thread or a network of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

J = TypeVar("J", bound=Hashable)
T = TypeVar("T")

LONGEST_WAIT_SECONDS = 0.25
"""What has waited longer goes first, whatever fairness says: a viewer would notice."""

WASTED_SHARE = 0.25
"""A batch is filled up with copies while these take less than this share of it: the time they cost is then less than
that of another, smaller batch. At a quarter and above two full batches of these sizes hold as much without waste
(12 = 8 + 4)."""


@dataclass(frozen=True)
class Waiting(Generic[J, T]):
    """One item of a job's queue. ``since``: when it came, in seconds of the caller's clock."""

    job: J
    item: T
    since: float


@dataclass(frozen=True)
class Batch(Generic[J, T]):
    """What is drawn at once, 1 to ``size`` items: a job's own in the order in which they came."""

    entries: tuple[Waiting[J, T], ...]
    size: int


def batch_size(waiting: int, sizes: Sequence[int]) -> int:
    """The batch to draw when so many wait (1 or more): the largest that is full, or the next if it nearly is.

    sizes: rising. Where not even the smallest is full it is the smallest.
    """
    filled = [size for size in sizes if (size - waiting) < WASTED_SHARE * size]
    return filled[-1] if filled else sizes[0]


class Schedule(Generic[J, T]):
    """Every job's queue, and whose turn it is. Times are in seconds and never run backwards."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """``sizes``: how many are drawn at once, rising."""
        self._sizes = tuple(sizes)
        # In the order of their turns: whoever has been served goes to the end.
        self._queues: dict[J, deque[Waiting[J, T]]] = {}

    @property
    def sizes(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def waiting(self) -> int:
        """How many items wait, of all jobs together."""
        return sum(map(len, self._queues.values()))

    def add(self, job: J, item: T, now: float) -> None:
        """Put ``item`` at the end of its job's queue; a job that had none waits for its turn behind the others."""
        self._queues.setdefault(job, deque()).append(Waiting(job, item, now))

    def take(self, now: float, beside: int = 0) -> Batch[J, T] | None:
        """The next batch, or None where nothing is to be drawn yet.

        beside: how many are being drawn at the moment. The next batch may start behind them at once if it is no
        smaller; a smaller one goes on collecting until they are done, and loses nothing by it.
        """
        waiting = self.waiting
        if not waiting or waiting < min(beside, self._sizes[-1]):
            return None
        size = batch_size(waiting, self._sizes)
        count = min(size, waiting)
        overdue = self._overdue(now, count)
        return Batch((*overdue, *self._in_turn(count - len(overdue))), size)

    def drop(self, job: J) -> list[T]:
        """Forget all that waits of ``job``; return it."""
        return [entry.item for entry in self._queues.pop(job, ())]

    def put_back(self, entries: Iterable[Waiting[J, T]]) -> None:
        """Queue what was taken and not drawn once more, in front of what came later to the same job."""
        for entry in reversed(list(entries)):
            self._queues.setdefault(entry.job, deque()).appendleft(entry)

    def halve(self, size: int) -> None:
        """From now on draw at most half of ``size`` at once, or as few as there is a size for."""
        self._sizes = tuple(each for each in self._sizes if 2 * each <= size) or self._sizes[:1]

    def _overdue(self, now: float, most: int) -> list[Waiting[J, T]]:
        late = [entry for queue in self._queues.values() for entry in queue if now - entry.since > LONGEST_WAIT_SECONDS]
        # A job's own stay in order: sorting is stable, and times within a queue never fall.
        chosen = sorted(late, key=lambda entry: entry.since)[:most]
        return [self._first_of(entry.job) for entry in chosen]

    def _in_turn(self, count: int) -> list[Waiting[J, T]]:
        return [self._first_of(next(iter(self._queues))) for _ in range(count)]

    def _first_of(self, job: J) -> Waiting[J, T]:
        queue = self._queues.pop(job)
        entry = queue.popleft()
        if queue:
            self._queues[job] = queue
        return entry
