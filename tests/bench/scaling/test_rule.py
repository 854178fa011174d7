from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scaling.rule import Rule

DELAY = 4.0


@dataclass(frozen=True)
class Moment:
    """What the rule is asked about."""

    rule: Rule
    waits: list[float]
    starting: int
    workers: int

    @property
    def started(self) -> int:
        return self.rule.to_start(self.waits, self.starting, self.workers)

    @property
    def overdue(self) -> int:
        return sum(wait >= DELAY for wait in self.waits)


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    least = draw(st.integers(0, 5))
    rule = Rule(queue_delay=DELAY, least=least, most=draw(st.integers(max(1, least), 20)))
    workers = draw(st.integers(0, rule.most))
    waits = draw(st.lists(st.floats(0, 20), max_size=30))
    return Moment(rule, waits, draw(st.integers(0, workers)), workers)


@given(moments())
def test_there_are_never_fewer_than_the_least_nor_more_than_the_most(moment: Moment) -> None:
    assert moment.rule.least <= moment.workers + moment.started <= moment.rule.most


@given(moments())
def test_every_overdue_job_has_its_starting_worker_unless_there_are_the_most(moment: Moment) -> None:
    starting = moment.starting + moment.started
    assert starting >= moment.overdue or moment.workers + moment.started == moment.rule.most


@given(moments())
def test_no_more_are_started_than_are_called_for(moment: Moment) -> None:
    first = 1 if moment.waits and not moment.workers else 0
    needed = max(moment.overdue - moment.starting, first, moment.rule.least - moment.workers, 0)
    assert moment.started <= needed


@given(moments())
def test_where_there_are_none_the_first_job_starts_one_at_once(moment: Moment) -> None:
    assert moment.workers or not moment.waits or moment.started >= 1


@given(moments(), st.floats(0, 20))
def test_one_job_more_never_means_fewer_and_at_most_one_more(moment: Moment, wait: float) -> None:
    more = Moment(moment.rule, [*moment.waits, wait], moment.starting, moment.workers).started
    assert moment.started <= more <= moment.started + 1


@given(st.floats(0, 20), st.integers(1, 20), st.integers(0, 20))
def test_only_an_idle_worker_beyond_the_least_is_ended(idle_for: float, workers: int, least: int) -> None:
    rule = Rule(idle=5, least=least, most=20)
    assert rule.may_end(idle_for, workers) == (idle_for >= 5 and workers > least)


@pytest.mark.parametrize(
    ("waits", "starting", "workers", "started"),
    [([3.9], 0, 1, 0), ([4.0], 0, 1, 1), ([0.0], 0, 0, 1), ([9, 9, 1], 1, 2, 1), ([9, 9, 9], 0, 2, 1), ([], 0, 0, 0)],
)
def test_the_rule_by_example(waits: list[float], starting: int, workers: int, started: int) -> None:
    assert Rule().to_start(waits, starting, workers) == started
