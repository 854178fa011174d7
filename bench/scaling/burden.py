"""What the object store and the speech account must bear at each load."""

from __future__ import annotations

from bench.scaling.course_figures import Figures, busiest, purchases, purchases_at_once
from bench.scaling.growth import ByLoad
from bench.scaling.load import Load
from bench.scaling.measured import Measured
from bench.scaling.modelled_endpoint import Course
from bench.table import Table

STREAMED_MORE = 625 - 190
"""Requests that a stream makes beyond a plain video's, a minute of it: bench/RESULTS.md, "Requests to the store"."""
MINUTE = 60.0
PURCHASE_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""What one purchase of speech may take: supposed, not measured."""


def table(grown: ByLoad, measured: Measured) -> Table:
    each_job = measured.store_requests / len(measured.jobs)
    taking = tuple(f"at once, {seconds:g} s each" for seconds in PURCHASE_SECONDS)
    return Table(
        title="What the object store and the speech account must bear",
        columns=(
            "sessions an hour",
            "requests/s",
            "in the busiest minute",
            "all streamed",
            "purchases/s",
            "in the busiest second",
            *taking,
        ),
        rows=tuple(
            _row(load, course, found, each_job)
            for load, course, found in zip(grown.loads, grown.courses, grown.figures, strict=True)
        ),
        notes=(
            f"Requests of workers: {each_job:.1f} a job as measured, {STREAMED_MORE} more a minute of streamed video. "
            "What servers, clients and players ask comes on top.",
            "Purchases: one a video, as if all brought texts. At once: the most at a time, if each took so long.",
        ),
    )


def _row(load: Load, course: Course, found: Figures, each_job: float) -> tuple[str, ...]:
    bought = purchases(course.served)
    return (
        f"{load.sessions:,.0f}",
        *_requests(found, course, each_job),
        f"{len(bought) / found.span:.2f}",
        f"{busiest(bought, 1.0):.0f}",
        *(f"{purchases_at_once(bought, seconds)}" for seconds in PURCHASE_SECONDS),
    )


def _requests(found: Figures, course: Course, each_job: float) -> tuple[str, ...]:
    plain = each_job * found.jobs / found.span
    in_a_minute = each_job * busiest((job.done for job in course.served), MINUTE)
    streamed = plain + STREAMED_MORE * found.video / 60 / found.span
    return tuple(f"{rate:.1f}" for rate in (plain, in_a_minute, streamed))
