"""The whole way at a tiny size: the figures come from a video that was made."""

from __future__ import annotations

from typing import Any

import pytest

from bench.end_to_end import STAGES, Repetition, Report, Spent, Workload, measure

SMALL = Workload(256, 300, 1, 1)


def repetition(wall: float) -> Repetition:
    prepared: dict[str, Any] = {"avatar": {"seconds": 6.0}}
    spoken = {"frames": 50, "duration": 2.0, "renderer": "preview", "timings": {"drawing": 0.5}}
    return Repetition(Spent(3.0, 4.0, prepared), Spent(wall, 1.5, spoken))


def cells(report: Report, name: str) -> tuple[str, ...]:
    return next(row[1:] for row in report.table().rows if row[0] == name)


def test_a_video_is_made_and_timed() -> None:
    report = measure(SMALL)
    run = report.repetitions[0]
    assert run.spoken.answer["frames"] > 0
    assert run.rate == pytest.approx(25 * run.times_real_time)
    assert run.prepared_rate > 0
    assert run.spoken.cpu > 0
    assert all(run.busy(stage) > 0 for stage in STAGES)
    assert report.table().title == "End to end at 256x300, renderer preview"


def test_the_table_shows_every_run_and_the_middle_one() -> None:
    report = Report(SMALL, (repetition(1.0), repetition(4.0), repetition(0.5)))
    assert report.times_real_time == 2.0
    assert cells(report, "speaking: frames/s") == ("50.0", "12.5", "100.0", "50.0")
    assert cells(report, "preparing: frames/s") == ("50.0", "50.0", "50.0", "50.0")
    assert cells(report, "busy drawing: seconds") == ("0.50", "0.50", "0.50", "0.50")
    assert cells(report, "busy speech: seconds")[0] == "0.00"


@pytest.mark.parametrize(("wall", "verdict"), [(1.9, "met."), (2.1, "missed.")])
def test_the_goal_is_real_time(wall: float, verdict: str) -> None:
    assert Report(SMALL, (repetition(wall),)).table().notes[-1].endswith(verdict)
