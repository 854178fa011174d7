"""Streams as they lie in the store, and what their jobs' records say of those that go no further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.endpoint.job_state import JobError
from engine.endpoint.told_errors import told_error
from engine.errors import EngineError, InternalError
from engine.jobs import LEASE
from engine.outages import Interrupted
from engine.reading import read_as
from engine.records import JobRecord, Records
from engine.store.protocol import ObjectStore, StoredObject
from engine.streams.layout import StreamState, state_key
from shim.callers import Caller
from shim.errors import GenerationFailed
from shim.job_end import Ended, told_end
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.record import AcceptedJob
from shim.refusals import StreamNotFound


@dataclass(frozen=True)
class StoredStreams:
    """Every method blocks, and raises what the store raises. ``now`` gives the time in UTC.

    accepted: jobs that are done later, whose streams are there for their owners before they have begun.
    """

    store: ObjectStore
    records: Records
    now: Callable[[], datetime]
    accepted: AcceptedJobs | None = None

    def demand_owned(self, stream_id: str, caller: Caller) -> None:
        """Raises StreamNotFound for another owner's stream. One whose job's record is gone is nobody's."""
        record = self.records.jobs.get(stream_id)
        job = self._accepted(stream_id) if record is None else None
        owner = job.caller.owner if job is not None else record.owner if record is not None else None
        if not caller.owns(owner):
            raise stream_not_found()

    def state(self, stream_id: str) -> StreamState | None:
        """The stream as its newest run has left it; None when none has begun, or the newest one has failed."""
        found = self.store.get(state_key(stream_id))
        state = None if found is None else read_as(StreamState, found)
        return None if state is None or state.state == "failed" else state

    def look(self, stream_id: str) -> StreamState | None:
        """As ``state``, of a stream that is whole or grows.

        Raises StreamNotFound where there is none and none will be, and GenerationFailed where its job has ended
        without a video or its worker has gone silent.
        """
        state = self.state(stream_id)
        if state is None or state.state == "running":
            end = self._end_of(self.records.jobs.get(stream_id), begun=state is not None)
            if end is not None and not self._is_open(stream_id):
                raise end
        return state

    def object(self, key: str) -> StoredObject | None:
        return self.store.get(key)

    def _accepted(self, stream_id: str) -> AcceptedJob | None:
        return None if self.accepted is None else self.accepted.get(stream_id)

    def _is_open(self, stream_id: str) -> bool:
        """Whether the job waits for a worker, or for another one."""
        job = self._accepted(stream_id)
        return job is not None and job.is_open

    def _end_of(self, record: JobRecord | None, begun: bool) -> StreamNotFound | GenerationFailed | None:
        """Why nothing more comes; None while something may."""
        if record is None or (record.state == "done" and not begun):
            return stream_not_found()
        if record.state in ("failed", "cancelled"):
            return GenerationFailed(self._error_of(record))
        if self.now() - record.heartbeat > LEASE:
            return GenerationFailed(Interrupted("The worker that made the video has gone silent. Ask for it again."))
        return None

    def _error_of(self, record: JobRecord) -> EngineError:
        if record.state == "cancelled":
            deleted = record.session_id is not None and self.records.sessions.get(record.session_id) is None
            return told_end(Ended("cancelled", Interrupted("The video was cancelled. Ask for it again.")), deleted)
        if record.error is None:
            return InternalError("The video could not be made.")
        return told_error(JobError.model_validate(record.error))


def stream_not_found() -> StreamNotFound:
    return StreamNotFound(
        "There is no such stream: none was asked for under this id, its job waits for a worker, or it has expired."
    )
