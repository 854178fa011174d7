"""How often work is begun that never ends: a job that kills its workers is given up, and not handed on for ever."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import KeepsCrashing
from engine.records import JobRecord, SessionRecord

MOST_STARTS = 2


@dataclass
class Reclaim:
    """Whether the host wants its worker to go: what it does not end then counts as never begun."""

    asked: bool = False

    def ask(self) -> None:
        """May be called by a signal."""
        self.asked = True


def next_start(old: JobRecord | SessionRecord) -> int:
    """The number of the start that follows those which the record knows of."""
    return old.starts + (0 if old.reclaimed else 1)


def outlived(record: JobRecord, run_id: str) -> JobRecord:
    """The record of a job whose earlier run is not dead, as it was taken for: its start counts no more."""
    if record.state != "running" or run_id in record.outlived:
        return record
    return record.model_copy(update={"starts": max(0, record.starts - 1), "outlived": (*record.outlived, run_id)})


def demand_survivable(starts: int) -> None:
    """Raises KeepsCrashing for the start after MOST_STARTS that came to no end."""
    if starts > MOST_STARTS:
        raise KeepsCrashing(f"{MOST_STARTS} workers in turn died or hung while they were at this job.")
