"""The run of real workers against the model of the same run: what was measured, and what the model says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.scaling.arrivals import arrivals
from bench.scaling.course_figures import Figures, figures, percentile, waits_of
from bench.scaling.load import sessions_of
from bench.scaling.measured import Measured, MeasuredRun
from bench.scaling.modelled_endpoint import ModelledEndpoint, Session, Times
from bench.scaling.resampled import InOrder, Resampled
from bench.scaling.visits import visits
from bench.table import Table

DRAWS = 50
"""How often the model goes through the run, each time with other times from the measured ones."""


@dataclass(frozen=True)
class _Row:
    """``measured`` of the run, ``modelled`` of a course of the model."""

    name: str
    measured: float
    modelled: Callable[[Figures], float]
    decimals: int


def table(measured: Measured, run: MeasuredRun) -> Table:
    planned = _sessions(run)
    in_order = _course(measured, run, InOrder(measured), planned)
    drawn = [_course(measured, run, Resampled(measured, f"draw {draw}"), planned) for draw in range(DRAWS)]
    return Table(
        title=f"Real workers, {run.rule.most} at most, and the model of the same run",
        columns=("", "measured", "model, times in order", "times drawn: median", "5 % below", "5 % above"),
        rows=tuple(_cells(row, in_order, drawn) for row in _rows(measured, run)),
        notes=(
            f"The same callers in the same {run.seconds:g} s. In order: each of the model's jobs takes as long as the "
            f"run's of the same number did. Drawn, as for all tables below: {DRAWS} times.",
        ),
    )


def _course(measured: Measured, run: MeasuredRun, times: Times, planned: Sequence[Session]) -> Figures:
    return figures(ModelledEndpoint(run.rule, measured.concurrency, times).serve(planned))


def _sessions(run: MeasuredRun) -> tuple[Session, ...]:
    begins = arrivals(run.pattern, run.seconds, run.seed).at
    avatars = [f"{number}.mp4" for number in range(run.avatars)]
    return sessions_of(visits(begins, avatars, run.habits, run.seed))


def _rows(measured: Measured, run: MeasuredRun) -> tuple[_Row, ...]:
    waits = waits_of(run.waits)
    video = math.fsum(job.video for job in measured.jobs)
    return (
        _Row("jobs", len(run.waits), lambda found: found.jobs, 0),
        _Row("wait in the queue, s: p50", waits.p50, lambda found: found.waiting.p50, 2),
        _Row("p95", waits.p95, lambda found: found.waiting.p95, 2),
        _Row("p99", waits.p99, lambda found: found.waiting.p99, 2),
        _Row("cold starts", len(measured.cold_starts), lambda found: found.cold_starts, 0),
        _Row("paid worker seconds", run.paid, lambda found: found.paid, 0),
        _Row("worker seconds per second of video", run.paid / video, lambda found: found.cost, 2),
    )


def _cells(row: _Row, in_order: Figures, drawn: Sequence[Figures]) -> tuple[str, ...]:
    modelled = sorted(row.modelled(each) for each in drawn)
    values = (row.measured, row.modelled(in_order), *(percentile(modelled, share) for share in (50, 5, 95)))
    return (row.name, *(f"{value:.{row.decimals}f}" for value in values))
