"""When a running job will be finished."""

from __future__ import annotations

from datetime import datetime

from engine.records import JobRecord

LEAST_PROGRESS = 0.02
LEAST_SECONDS = 1.0
"""Sooner than this the rate of a job's progress says nothing of what is to come."""


def eta_seconds(record: JobRecord, now: datetime) -> float | None:
    """Seconds until the job is finished if it goes on as it has so far; None while that can't be told."""
    if record.begun is None or not LEAST_PROGRESS <= record.progress <= 1:
        return None
    taken = (record.heartbeat - record.begun).total_seconds()
    if taken < LEAST_SECONDS:
        return None
    left = taken * (1 - record.progress) / record.progress - (now - record.heartbeat).total_seconds()
    return round(max(left, 0.0), 1)
