from __future__ import annotations

import pytest

from bench.concurrency import COUNTS, QUICK, Report, Together, Workload, measure


def test_jobs_run_together_and_are_measured() -> None:
    report = measure(QUICK)
    (found,) = report.rounds
    assert [each.jobs for each in found] == list(COUNTS)
    # The keyless voice never speaks a text twice alike, to a frame or so.
    assert [each.frames for each in found] == pytest.approx([count * found[0].frames for count in COUNTS], rel=0.05)
    assert [row[0] for row in report.table().rows] == [str(count) for count in COUNTS]


def test_a_frame_of_several_jobs_is_compared_with_one_jobs_in_the_same_round() -> None:
    quiet = (Together(1, 100, 1.0), Together(2, 200, 1.8), Together(5, 500, 4.5))
    busy = (Together(1, 100, 2.0), Together(2, 200, 4.4), Together(5, 500, 12.0))
    report = Report(Workload(512, 512, 4, 2), "preview", (quiet, busy, quiet))
    assert report.ratios == pytest.approx((1.0, 0.9, 0.9))
    assert "met" in report.table().notes[-1]
