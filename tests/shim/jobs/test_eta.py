from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.records import JobRecord
from shim.jobs.eta import eta_seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(progress: float, taken: float, silent: float = 0.0, begun: bool = True) -> JobRecord:
    heartbeat = NOW - timedelta(seconds=silent)
    began = heartbeat - timedelta(seconds=taken)
    return JobRecord(
        job_id="j",
        action="generate",
        input_hash="x",
        state="running",
        progress=progress,
        heartbeat=heartbeat,
        begun=began if begun else None,
        created=began,
        updated=heartbeat,
    )


@pytest.mark.parametrize(
    ("progress", "taken", "silent", "eta"),
    [(0.5, 10, 0, 10), (0.25, 10, 0, 30), (0.5, 10, 4, 6), (0.5, 10, 60, 0), (1.0, 10, 0, 0)],
)
def test_a_job_goes_on_as_it_has_so_far(progress: float, taken: float, silent: float, eta: float) -> None:
    assert eta_seconds(record(progress, taken, silent), NOW) == eta


@pytest.mark.parametrize("of", [record(0, 10), record(0.01, 10), record(0.5, 0.5), record(0.5, 10, begun=False)])
def test_too_little_says_nothing(of: JobRecord) -> None:
    assert eta_seconds(of, NOW) is None
