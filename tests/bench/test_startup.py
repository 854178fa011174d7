"""Real processes that get ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.startup import Report, Start, measure, started
from bench.workplace import Workplace

PHASES = ["python", "import handler", "import runpod", "open engine", "warm", "fitness checks"]


def test_every_phase_of_a_start_is_timed() -> None:
    report = measure(1)
    for start in (*report.ours, *report.plain):
        assert list(start.phases) == PHASES
        assert all(seconds > 0 for seconds in start.phases.values())
    assert [row[0] for row in report.table().rows] == [*PHASES, "ready"]


def test_the_table_has_the_middle_of_each_phase() -> None:
    ours = tuple(Start({"python": each, "warm": 1.0}) for each in (0.1, 0.5, 0.3))
    plain = tuple(Start({"python": each, "warm": 2.0}) for each in (0.3, 0.3, 0.3))
    report = Report(ours, plain)
    assert report.table().rows == (("python", "0.300", "0.300"), ("warm", "1.000", "2.000"), ("ready", "1.30", "2.30"))
    assert report.saved == pytest.approx(1.0)


def test_a_worker_that_is_unfit_is_no_figure(tmp_path: Path) -> None:
    place = Workplace(tmp_path, tmp_path / "avatars" / "gone.mp4").make()
    with pytest.raises(RuntimeError, match="did not start"):
        started(place, "sdk")
