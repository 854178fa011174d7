"""What a process that died has left: begun again where that helps, ended otherwise, and nothing that is somebody's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.records import JobRecord, Records, SessionRecord
from engine.store.local import LocalStore
from shim.recovery import LOOK_SECONDS, MOST_TRIES, SILENCE, Recovery

LONG_AGO = timedelta(hours=1)


class Ground:
    """Records, and the sessions whose preparation was begun again."""

    def __init__(self, folder: Path) -> None:
        self.records = Records(LocalStore(folder), self.now)
        self.begun: list[SessionRecord] = []
        self.kept: frozenset[str] = frozenset()
        self.recovery = Recovery(self.records, self.begun.append, self.now, lambda: self.kept)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def session(self, session_id: str, silent: timedelta, **fields: Any) -> None:
        moment = self.now() - silent
        times = {"heartbeat": moment, "created": moment, "updated": moment}
        given = {"status": "preparing", "input_hash": "x", "job_id": "job", **times, **fields}
        assert self.records.sessions.create(SessionRecord(session_id=session_id, **given))

    def job(self, job_id: str, silent: timedelta, state: str = "running") -> None:
        moment = self.now() - silent
        times = {"heartbeat": moment, "created": moment, "updated": moment}
        given: dict[str, Any] = {"action": "generate", "input_hash": "x", "state": state, **times}
        assert self.records.jobs.create(JobRecord(job_id=job_id, **given))

    def settle(self, seconds: float = 30) -> None:
        async def scenario() -> None:
            await asyncio.wait_for(self.recovery.settle(self.recovery.unfinished()), seconds)

        asyncio.run(scenario())

    def settle_for(self, seconds: float) -> None:
        with pytest.raises(TimeoutError):
            self.settle(seconds)

    def state_of(self, job_id: str) -> JobRecord:
        record = self.records.jobs.get(job_id)
        assert record is not None
        return record

    def status_of(self, session_id: str) -> SessionRecord:
        record = self.records.sessions.get(session_id)
        assert record is not None
        return record


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_silent_preparations_begin_again_and_are_counted(ground: Ground) -> None:
    ground.session("lost", LONG_AGO, avatar_source="face.mp4")
    ground.session("done", LONG_AGO, status="ready")
    ground.settle()
    (begun,) = ground.begun
    assert (begun.session_id, begun.avatar_source, begun.resubmissions) == ("lost", "face.mp4", 1)
    assert ground.status_of("lost").status == "preparing"
    assert ground.now() - ground.status_of("lost").heartbeat < SILENCE


def test_a_preparation_that_is_lost_again_and_again_ends(ground: Ground) -> None:
    ground.session("cursed", LONG_AGO, resubmissions=MOST_TRIES)
    ground.settle()
    assert ground.begun == []
    ended = ground.status_of("cursed")
    assert (ended.status, ended.error_code) == ("error", "preparation_interrupted")
    assert "another video" in ended.message


def test_silent_jobs_end_as_interrupted(ground: Ground) -> None:
    ground.job("lost", LONG_AGO)
    ground.job("finished", LONG_AGO, state="done")
    ground.settle()
    ended = ground.state_of("lost")
    assert ended.state == "failed"
    assert ended.error is not None
    assert (ended.error["code"], ended.error["retryable"]) == ("interrupted", True)
    assert ground.state_of("finished").state == "done"


def test_who_is_at_work_is_left_alone(ground: Ground) -> None:
    ground.session("lively", timedelta(0))
    ground.job("lively", timedelta(0))
    ground.settle_for(3 * LOOK_SECONDS)
    assert ground.begun == []
    assert ground.status_of("lively").status == "preparing"
    assert ground.state_of("lively").state == "running"


def test_what_falls_silent_later_is_settled_then(ground: Ground) -> None:
    almost = SILENCE - timedelta(seconds=2)
    ground.session("dying", almost)
    ground.job("dying", almost)
    ground.settle()
    assert [record.session_id for record in ground.begun] == ["dying"]
    assert ground.state_of("dying").state == "failed"


def test_what_is_deleted_meanwhile_needs_nothing(ground: Ground) -> None:
    ground.session("going", timedelta(0))
    left = ground.recovery.unfinished()
    ground.records.sessions.delete("going")
    asyncio.run(asyncio.wait_for(ground.recovery.settle(left), 5))
    assert ground.begun == []


def test_jobs_that_are_taken_up_again_are_not_ended(ground: Ground) -> None:
    ground.job("kept", LONG_AGO)
    ground.kept = frozenset({"kept"})
    ground.settle()
    assert ground.state_of("kept").state == "running"
