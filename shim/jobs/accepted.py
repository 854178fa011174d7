"""Accepted jobs in the store: what each of them asks for, how it goes on, and for which something is left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.errors import EngineError, SessionNotFound
from engine.housekeeping.rules import ACCEPTED, PENDING
from engine.job_ids import RECORD_ID
from engine.outages import Interrupted
from engine.reading import read_as
from engine.records import RecordSet, sleep_up_to
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from shim.jobs.record import AcceptedJob, JobEnd, ToldError

Change = Callable[[AcceptedJob], AcceptedJob]


@dataclass(frozen=True)
class Unfinished:
    """A job for which something is left to do."""

    session_id: str
    job_id: str

    @property
    def key(self) -> str:
        return f"{PENDING.folder}/{self.session_id}/{self.job_id}"


class AcceptedJobs:
    """Every method blocks, and raises what the store raises. ``now`` gives the time in UTC."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._records = RecordSet(store, ACCEPTED.folder, AcceptedJob, lambda job: job.job_id, now, sleep_up_to)

    def get(self, job_id: str) -> AcceptedJob | None:
        return self._records.get(job_id) if RECORD_ID.fullmatch(job_id) else None

    def keep(self, job: AcceptedJob, request: Generate) -> bool:
        """Write down a new job and what it asks for; False when there is one of that id.

        Whoever dies in between leaves no job: its name and request are there before it is.
        """
        self._store.put(_unfinished(job).key, b"")
        self._store.put(_request_key(job), request.model_dump_json(exclude_none=True).encode())
        return self._records.create(job)

    def withdraw(self, job: AcceptedJob) -> None:
        """Forget a job that could not be begun, as if it had never been accepted."""
        self._records.delete(job.job_id)
        self._store.delete(_request_key(job))
        self._store.delete(_unfinished(job).key)

    def request(self, job_id: str) -> Generate:
        """What an open job asks for. Raises Interrupted when it has ended, and RecordDamaged."""
        job = self.get(job_id)
        found = self._store.get(_request_key(job)) if job is not None and job.is_open else None
        if found is None:
            raise Interrupted("The video was cancelled. Ask for it again.")
        return read_as(Generate, found)

    def change(self, job_id: str, change: Change) -> AcceptedJob | None:
        """The job as it is after the change; None when there is none."""
        return self._records.update(job_id, change)

    def end(self, job_id: str, state: JobEnd, error: EngineError | None = None) -> AcceptedJob | None:
        """The job with its end, of several the first; its request goes. None when there is no such job."""
        now = self._now()
        told = None if error is None else ToldError.of(error)

        def ended(job: AcceptedJob) -> AcceptedJob:
            webhook = None if job.webhook is None else job.webhook.model_copy(update={"next_at": now})
            changes = {"state": state, "ended_at": now, "error": told, "webhook": webhook}
            return job.model_copy(update=changes) if job.is_open else job

        job = self._records.update(job_id, ended)
        if job is not None:
            self._store.delete(_request_key(job))
        return job

    def finish(self, job_id: str) -> None:
        """Nothing is left to do for the job."""
        if (job := self.get(job_id)) is not None:
            self._store.delete(_unfinished(job).key)

    def unfinished_ids(self) -> frozenset[str]:
        return frozenset(left.job_id for left in self.unfinished())

    def unfinished(self, session_id: str | None = None) -> Iterator[Unfinished]:
        """The jobs for which something is left to do, of one session or of all."""
        folder = f"{PENDING.folder}/" if session_id is None else f"{PENDING.folder}/{session_id}/"
        for info in self._store.list(folder):
            names = info.key.split("/")
            if len(names) == 3:
                yield Unfinished(names[1], names[2])

    def forget_if_never_accepted(self, left: Unfinished, moment: datetime) -> None:
        """Remove the name that is left of an acceptance which was never finished, and was begun before ``moment``. Its
        request goes by its age."""
        info = self._store.head(left.key)
        if info is not None and info.modified < moment and self.get(left.job_id) is None:
            self._store.delete(left.key)

    def end_with_session(self, session_id: str) -> list[AcceptedJob]:
        """Cancel the open jobs of a session that was deleted; its unfinished jobs."""
        gone = SessionNotFound("The session was deleted while its video was being made.")
        jobs = [self.end(left.job_id, "cancelled", gone) for left in list(self.unfinished(session_id))]
        return [job for job in jobs if job is not None]


def _unfinished(job: AcceptedJob) -> Unfinished:
    return Unfinished(job.session_id, job.job_id)


def _request_key(job: AcceptedJob) -> str:
    """With the hash in it, so that another request with the same key never takes the place of the job's own."""
    return f"{ACCEPTED.folder}/{job.job_id}.{job.body_hash[:16]}.request"
