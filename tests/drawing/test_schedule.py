"""Whose frames are drawn next, and how many at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drawing.schedule import LONGEST_WAIT_SECONDS, WASTED_SHARE, Batch, Schedule, Waiting, batch_size

SIZES = (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("waiting", "size"),
    [
        (1, 1),
        (2, 2),
        (3, 2),  # of 4 a quarter would be waste: 2, then 1
        (4, 4),
        (5, 4),
        (6, 4),  # 4 and 2, both full
        (7, 8),  # one copy in eight
        (8, 8),
        (9, 8),
        (12, 8),  # 8 and 4, both full
        (13, 16),
        (16, 16),
        (17, 16),
        (100, 16),
    ],
)
def test_the_size_is_the_largest_that_is_full_or_nearly_so(waiting: int, size: int) -> None:
    assert batch_size(waiting, SIZES) == size


def test_where_no_size_is_full_it_is_the_smallest() -> None:
    assert batch_size(1, (4, 8)) == 4


def letters(batch: Batch[str, str] | None) -> str:
    assert batch is not None
    return "".join(entry.item for entry in batch.entries)


def scheduled(*items: str, sizes: tuple[int, ...] = SIZES, now: float = 0.0) -> Schedule[str, str]:
    """Items such as ``A1`` in the order of their coming: the letter is the job's."""
    schedule: Schedule[str, str] = Schedule(sizes)
    for item in items:
        schedule.add(item[0], item, now)
    return schedule


def test_jobs_take_turns_within_a_batch_and_from_one_to_the_next() -> None:
    schedule = scheduled("A1", "A2", "A3", "A4", "B1", "B2", "C1", sizes=(1, 2))
    assert [letters(schedule.take(0)) for _ in range(4)] == ["A1B1", "C1A2", "B2A3", "A4"]
    assert schedule.take(0) is None


def test_a_job_with_few_does_not_wait_behind_one_with_many() -> None:
    schedule = scheduled(*(f"A{number}" for number in range(9)), "B0", sizes=(1, 2))
    assert letters(schedule.take(0)) == "A0B0"


def test_what_has_waited_too_long_goes_first_and_the_oldest_before_all() -> None:
    schedule: Schedule[str, str] = Schedule((1, 2))
    for item, came in (("A1", 0.0), ("B1", 0.1), ("A2", 0.2), ("C1", 0.3)):
        schedule.add(item[0], item, came)
    assert letters(schedule.take(0.2 + LONGEST_WAIT_SECONDS + 0.01)) == "A1B1"
    assert letters(schedule.take(0.2 + LONGEST_WAIT_SECONDS + 0.01)) == "A2C1"


def test_a_smaller_batch_goes_on_collecting_beside_a_running_one() -> None:
    schedule = scheduled("A1", "A2", "A3", sizes=(1, 2, 4))
    assert schedule.take(0, beside=4) is None
    schedule.add("A", "A4", 0)
    assert letters(schedule.take(0, beside=4)) == "A1A2A3A4"
    assert schedule.take(0, beside=0) is None


def test_beside_a_batch_of_a_size_that_is_no_more_the_largest_is_enough() -> None:
    schedule = scheduled("A1", "A2", "A3", sizes=(1, 2, 4))
    schedule.halve(4)
    assert letters(schedule.take(0, beside=4)) == "A1A2"


@pytest.mark.parametrize(
    ("sizes", "size", "left"),
    [(SIZES, 16, (1, 2, 4, 8)), (SIZES, 4, (1, 2)), ((1, 3, 6), 6, (1, 3)), (SIZES, 1, (1,)), ((4, 6), 4, (4,))],
)
def test_halving(sizes: tuple[int, ...], size: int, left: tuple[int, ...]) -> None:
    schedule: Schedule[str, str] = Schedule(sizes)
    schedule.halve(size)
    assert schedule.sizes == left


def test_dropping_a_job_leaves_the_others() -> None:
    schedule = scheduled("A1", "B1", "A2")
    assert schedule.drop("A") == ["A1", "A2"]
    assert schedule.drop("A") == []
    assert letters(schedule.take(0)) == "B1"


def test_what_is_put_back_comes_before_what_came_later() -> None:
    schedule = scheduled("A1", "B1", "A2", "A3", sizes=(2,))
    taken = schedule.take(0)
    assert taken is not None
    schedule.put_back(taken.entries)
    assert [letters(schedule.take(0)) for _ in range(2)] == ["A1B1", "A2A3"]


Items = deque[tuple[float, int]]


@dataclass
class Life:
    """Plays a worker's life against the schedule, and holds every batch against what the rules say of it.

    waiting: each job's items, with when they came, numbered in the order of their coming.
    passed: who was served while the job waited for its turn.
    """

    schedule: Schedule[int, int]
    now: float = 0.0
    count: int = 0
    waiting: dict[int, Items] = field(default_factory=dict)
    passed: dict[int, set[int]] = field(default_factory=dict)

    def add(self, job: int) -> None:
        self.schedule.add(job, self.count, self.now)
        self.waiting.setdefault(job, deque()).append((self.now, self.count))
        self.passed.setdefault(job, set())
        self.count += 1

    def drop(self, job: int) -> None:
        assert self.schedule.drop(job) == [item for _, item in self.waiting.pop(job, ())]
        self.passed.pop(job, None)

    def draw(self) -> None:
        waiting = sum(map(len, self.waiting.values()))
        late = self._late()
        batch = self.schedule.take(self.now)
        assert (batch is None) == (waiting == 0), "nothing idles while something waits"
        if batch is None:
            return
        self._assert_sized(batch, waiting)
        assert [entry.since for entry in batch.entries[: len(late)]] == late[: len(batch.entries)]
        for place, entry in enumerate(batch.entries):
            self._serve(entry, in_turn=place >= len(late))

    def fail(self) -> None:
        """A batch that comes back undrawn, after which less is drawn at once."""
        batch = self.schedule.take(self.now)
        if batch is not None:
            self.schedule.put_back(batch.entries)
            self.schedule.halve(batch.size)
            self.passed = {job: set() for job in self.passed}

    def _late(self) -> list[float]:
        came = [since for items in self.waiting.values() for since, _ in items]
        return sorted(since for since in came if self.now - since > LONGEST_WAIT_SECONDS)

    def _assert_sized(self, batch: Batch[int, int], waiting: int) -> None:
        sizes = self.schedule.sizes
        assert batch.size in sizes
        assert len(batch.entries) == min(waiting, batch.size)
        assert batch.size - len(batch.entries) < WASTED_SHARE * batch.size or batch.size == sizes[0]

    def _serve(self, entry: Waiting[int, int], in_turn: bool) -> None:
        assert self.waiting[entry.job].popleft() == (entry.since, entry.item), "lost, doubled or out of order"
        self.passed[entry.job] = set()
        if not self.waiting[entry.job]:
            del self.waiting[entry.job], self.passed[entry.job]
        for job in self.waiting.keys() - {entry.job}:
            assert not in_turn or entry.job not in self.passed[job], "served twice while another waited"
            self.passed[job].add(entry.job)


STEPS = st.one_of(
    st.builds(lambda job: lambda life: life.add(job), st.integers(0, 4)),
    st.builds(lambda job: lambda life: life.add(job), st.integers(0, 4)),
    st.builds(
        lambda seconds: lambda life: setattr(life, "now", life.now + seconds), st.sampled_from((0.0, 0.1, 0.2, 0.3))
    ),
    st.just(Life.draw),
    st.builds(lambda job: lambda life: life.drop(job), st.integers(0, 4)),
    st.just(Life.fail),
)


@given(
    sizes=st.sets(st.integers(1, 9), min_size=1, max_size=4).map(lambda sizes: tuple(sorted(sizes))),
    steps=st.lists(STEPS, max_size=80),
)
def test_whatever_comes_the_rules_hold(sizes: tuple[int, ...], steps: list[Callable[[Life], None]]) -> None:
    life = Life(Schedule(sizes))
    for step in steps:
        step(life)
    while life.waiting:
        life.draw()
    assert life.schedule.waiting == 0
    assert life.schedule.take(life.now) is None
