"""How waiting and cost grow: with the workers that there may be at most, and with the load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.scaling.course_figures import Figures, figures
from bench.scaling.load import Load
from bench.scaling.modelled import Model
from bench.scaling.modelled_endpoint import Course
from bench.scaling.rule import Rule
from bench.table import Table

WORKERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20)
SESSIONS = (30, 100, 300, 1000, 3000, 10_000)
LEAST_SESSIONS, LEAST_HOURS = 1000, 2.0
"""So much at least is modelled at every load."""
ENOUGH = 10_000
"""Workers of which there are always more than are called for."""
WAITING = ("wait s p50", "p95", "p99")
PAID = ("cold starts an hour", "has work %", "draws %", "worker s a video s")


@dataclass(frozen=True)
class ByWorkers:
    """``figures`` under one load for each number of ``workers`` at most."""

    load: Load
    workers: tuple[int, ...]
    figures: tuple[Figures, ...]

    def table(self) -> Table:
        return Table(
            title=f"1 to {WORKERS[-1]} workers at most, {self.load.sessions:,.0f} sessions an hour",
            columns=("workers at most", *WAITING, "workers on average", *PAID),
            rows=tuple(
                (f"{most}", *_waiting(each), f"{each.mean_workers:.1f}", *_paid(each, self.load))
                for most, each in zip(self.workers, self.figures, strict=True)
            ),
            notes=(
                f"Callers come for {self.load.hours:g} hours, with {self.figures[0].jobs:,} jobs. Where workers have "
                "work all the time, the queue grows for as long as callers come.",
            ),
        )


@dataclass(frozen=True)
class ByLoad:
    """What happened at each of the loads, with as many workers as are called for. ``packed``: had every job gone to
    the worker that asked last."""

    loads: tuple[Load, ...]
    courses: tuple[Course, ...]
    packed: tuple[Figures, ...]

    @cached_property
    def figures(self) -> tuple[Figures, ...]:
        return tuple(map(figures, self.courses))

    def table(self) -> Table:
        return Table(
            title=f"Up to {SESSIONS[-1]:,} sessions an hour, as many workers as are called for",
            columns=("sessions an hour", *WAITING, "workers on average", "at most", *PAID, "packed"),
            rows=tuple(
                (
                    f"{load.sessions:,.0f}",
                    *_waiting(each),
                    f"{each.mean_workers:.1f}",
                    f"{each.peak}",
                    *_paid(each, load),
                    f"{packed.cost:.2f}",
                )
                for load, each, packed in zip(self.loads, self.figures, self.packed, strict=True)
            ),
            notes=("Packed: worker s a video s, if a job always went to the worker that asked last.",),
        )


def by_workers(model: Model, load: Load, rule: Rule, workers: Sequence[int] = WORKERS) -> ByWorkers:
    return ByWorkers(load, tuple(workers), tuple(model.figures(load, replace(rule, most=most)) for most in workers))


def by_load(model: Model, rule: Rule, sessions: Sequence[int] = SESSIONS) -> ByLoad:
    loads, free = tuple(map(load_of, sessions)), replace(rule, most=ENOUGH)
    return ByLoad(
        loads,
        tuple(model.course(load, free) for load in loads),
        tuple(model.figures(load, free, packs=True) for load in loads),
    )


def load_of(sessions: float) -> Load:
    return Load(sessions, max(LEAST_HOURS, LEAST_SESSIONS / sessions))


def _waiting(figures: Figures) -> tuple[str, ...]:
    waiting = figures.waiting
    return tuple(f"{seconds:.1f}" for seconds in (waiting.p50, waiting.p95, waiting.p99))


def _paid(figures: Figures, load: Load) -> tuple[str, ...]:
    return (
        f"{figures.cold_starts / load.hours:.0f}",
        f"{100 * figures.working_share:.0f}",
        f"{100 * figures.drawing_share:.0f}",
        f"{figures.cost:.2f}",
    )
