from __future__ import annotations

import pytest

from bench.soak import QUICK, Held, Report, Workload, measure


def test_a_worker_tells_what_it_holds_as_it_goes_on() -> None:
    report = measure(QUICK)
    assert [each.jobs for each in report.held] == [2, 4, 6]
    assert all(each.resident > 50_000_000 for each in report.held)
    assert len(report.table().rows) == 3


def test_growth_is_from_a_fifth_of_the_jobs_to_the_last() -> None:
    held = (Held(10, 90, None), Held(20, 100, None), Held(100, 105, None))
    assert Report(Workload(100, 2, 1), held).growth == pytest.approx(1.05)
