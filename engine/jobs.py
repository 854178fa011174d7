"""The records of generate jobs: who is at one, how far it is, and what came of it."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.cancel import Cancelled, CancelToken
from engine.errors import EngineError, IdempotencyConflict, InternalError
from engine.records import JobRecord, Records
from engine.schemas import Generated
from engine.starts import MOST_STARTS, Reclaim, demand_survivable, next_start, outlived

LEASE = timedelta(seconds=60)
"""A job whose heartbeat is older than this is at nobody's hands any more."""

LOOK_SECONDS = 1.0

SIGN_OF_LIFE = timedelta(seconds=6)
"""Two beats of a run: so long one that goes on, although the queue took it for lost, may take to say so."""


@dataclass(frozen=True)
class JobName:
    """What a job is known by.

    record_id: the id of its record: the queue's, or one made of the caller's idempotency key.
    queue_id: the queue's id of this run, which a run under the same idempotency key doesn't share.
    run_id: tells this run from another one of the same job on another worker.
    """

    record_id: str
    queue_id: str
    by_caller: bool = False
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @classmethod
    def of_idempotency_key(cls, key: str, queue_id: str, owner: str | None = None) -> JobName:
        """Keys are each owner's own: two owners' equal ones name two jobs."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:40]
        if owner is None:
            return cls(f"key-{digest}", queue_id, by_caller=True)
        owned = hashlib.sha256(f"{digest} {owner}".encode()).hexdigest()[:40]
        return cls(f"owned-key-{owned}", queue_id, by_caller=True)


@dataclass(frozen=True)
class Jobs:
    """Reads and changes job records. ``now`` gives the time in UTC."""

    records: Records
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    reclaim: Reclaim = field(default_factory=Reclaim)

    def begin(
        self,
        name: JobName,
        session_id: str,
        input_hash: str,
        holds: Callable[[str], bool],
        cancel: CancelToken,
        owner: str | None = None,
        streamed: bool = False,
    ) -> Generated | None:
        """Take the job on; or, where it has been done before and its target still ``holds`` the video, its result.

        Where another run with the same idempotency key is at work, wait for what becomes of it.
        Raises IdempotencyConflict when the key came with another request before, Cancelled while waiting, and
        KeepsCrashing, with the job taken on, when it has been begun too often.
        """
        while True:
            new = self._new(name, session_id, input_hash, owner).model_copy(update={"streamed": streamed})
            if self.records.jobs.create(new):
                return None
            found = self.records.jobs.update(name.record_id, self._taking(new, name, holds))
            if found is None:
                continue
            if found.state == "done":
                return Generated.model_validate(found.result)
            if found.queue_id == name.queue_id:
                self._demand_survivable(found, cancel)
                return None
            cancel.check()
            self.sleep(LOOK_SECONDS)

    def _demand_survivable(self, found: JobRecord, cancel: CancelToken) -> None:
        """Raises KeepsCrashing for a job that was begun too often, once every run that lives could have said so."""
        until = self.now() + SIGN_OF_LIFE
        while found.starts > MOST_STARTS and self.now() < until:
            cancel.check()
            self.sleep(LOOK_SECONDS)
            found = self.records.jobs.get(found.job_id) or found
        demand_survivable(found.starts)

    def is_at(self, name: JobName) -> bool:
        """Whether the job is still this run's: no other run has taken it on since, let alone done it."""
        record = self.records.jobs.get(name.record_id)
        return record is None or (record.worker == name.run_id and record.state == "running")

    def beat(self, name: JobName, stage: str, progress: float) -> bool:
        """Say that the job is still being worked at, and how far it is; False when it has been asked to stop.

        Where another run has taken the job on since, only that this one didn't die is said: the job's standing is the
        other one's.
        """
        changes = {
            "heartbeat": self.now(),
            "stage": stage,
            "progress": progress,
            "reclaimed": self.reclaim.asked,
        }

        def beaten(old: JobRecord) -> JobRecord:
            return old.model_copy(update=changes) if old.worker == name.run_id else outlived(old, name.run_id)

        record = self.records.jobs.update(name.record_id, beaten)
        return record is None or not record.cancel_asked

    def ask_to_stop(self, record_id: str) -> JobRecord | None:
        """Have the job's run, wherever it is, stop at its next beat; the record as it is then, None without one."""
        return self.records.jobs.update(
            record_id, lambda old: old.model_copy(update={"cancel_asked": True}) if old.state == "running" else old
        )

    def done(self, name: JobName, generated: Generated) -> bool:
        """The job has its result. False where another run has taken it on since, and may still be at it."""
        changes = {"state": "done", "progress": 1.0, "result": generated.model_dump(mode="json"), "error": None}
        record = self.records.jobs.update(name.record_id, lambda old: old.model_copy(update=changes))
        return record is None or record.worker == name.run_id

    def ended(self, record_id: str, error: BaseException) -> None:
        """The job has ended without a result."""
        told = error if isinstance(error, EngineError) else InternalError("The video could not be made.")
        changes = {
            "state": "cancelled" if isinstance(error, Cancelled) else "failed",
            "error": {"code": told.code, "message": told.message, "retryable": told.retryable},
        }
        self.records.jobs.update(record_id, lambda old: old.model_copy(update=changes))

    def _new(self, name: JobName, session_id: str, input_hash: str, owner: str | None) -> JobRecord:
        now = self.now()
        return JobRecord(
            job_id=name.record_id,
            queue_id=name.queue_id,
            action="generate",
            owner=owner,
            session_id=session_id,
            input_hash=input_hash,
            worker=name.run_id,
            state="running",
            heartbeat=now,
            begun=now,
            created=now,
            updated=now,
        )

    def _taking(self, new: JobRecord, name: JobName, holds: Callable[[str], bool]) -> Callable[[JobRecord], JobRecord]:
        return lambda old: self._again(old, new, name, holds)

    def _again(self, old: JobRecord, new: JobRecord, name: JobName, holds: Callable[[str], bool]) -> JobRecord:
        """The record as it stays or becomes when the job comes once more."""
        if old.input_hash != new.input_hash:
            if name.by_caller:
                raise IdempotencyConflict("This `idempotency_key` came with another request before. Use a new key.")
            return new
        if old.state == "done" and old.result is not None and holds(Generated.model_validate(old.result).video_key):
            return old
        if old.state == "running" and old.queue_id != new.queue_id and new.heartbeat - old.heartbeat < LEASE:
            return old
        taken = {"attempt": old.attempt + 1, "created": old.created}
        if old.state == "running":
            taken |= {"starts": next_start(old), "outlived": old.outlived}
        return new.model_copy(update=taken)
