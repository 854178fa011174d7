"""How a job is, put together from what was accepted and what the engine has written down of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.job_ids import RECORD_ID
from engine.jobs import LEASE
from engine.outages import Interrupted
from engine.records import JobRecord, Records
from engine.schemas import Generated
from engine.store.protocol import ObjectStore
from shim.backends import Made
from shim.callers import Caller
from shim.files import reply_of
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.eta import eta_seconds
from shim.jobs.record import AcceptedJob, ToldError, Webhook
from shim.jobs.replies import JobReply, JobStatus, WebhookReply
from shim.links import Links
from shim.refusals import JobNotFound
from shim.stream_paths import stream_addresses


@dataclass(frozen=True)
class FoundJob:
    """A job: one that was accepted to be done later, or one that its caller has waited for, or both."""

    accepted: AcceptedJob | None
    record: JobRecord | None


@dataclass(frozen=True)
class JobReports:
    """Reads jobs, each with two reads of the store. ``position``: of a waiting job in this server's line."""

    store: ObjectStore
    records: Records
    accepted: AcceptedJobs
    links: Links
    position: Callable[[str], int | None]
    now: Callable[[], datetime]

    def find(self, job_id: str, caller: Caller) -> FoundJob:
        """The caller's job. Blocks. Raises JobNotFound, and what the store raises."""
        accepted = self.accepted.get(job_id)
        record = self.records.jobs.get(job_id) if RECORD_ID.fullmatch(job_id) else None
        if accepted is not None and _is_of(caller, accepted.caller.owner, accepted.session_id):
            return FoundJob(accepted, record)
        if accepted is None and record is not None and _is_of(caller, record.owner, record.session_id or ""):
            return FoundJob(None, record)
        raise JobNotFound("There is no such job: none was asked for under this id, or it has expired.")

    def reply(self, found: FoundJob, caller: Caller) -> JobReply:
        """The job as the caller is told it."""
        if found.accepted is not None:
            return self._accepted(found.accepted, found.record, caller)
        assert found.record is not None
        return self._recorded(found.record, caller)

    def _accepted(self, job: AcceptedJob, record: JobRecord | None, caller: Caller) -> JobReply:
        status = _status(job, record, self.now())
        is_followed = status not in ("failed", "cancelled")
        return JobReply(
            job_id=job.job_id,
            status=status,
            session_id=job.session_id,
            created_at=job.created,
            queue_position=self.position(job.job_id) if status == "queued" else None,
            error=job.error,
            metadata=job.metadata,
            warnings=list(job.warnings) or None,
            webhook=None if job.webhook is None else _webhook(job.webhook, job.is_open),
            **(stream_addresses(job.job_id, self.links, caller) if is_followed else {}),
            **self._progress(status, record, list(job.warnings), caller),
        )

    def _recorded(self, record: JobRecord, caller: Caller) -> JobReply:
        status: JobStatus = record.state
        is_followed = record.streamed and status in ("running", "done")
        return JobReply(
            job_id=record.job_id,
            status=status,
            session_id=record.session_id or "",
            created_at=record.created,
            error=_error(record),
            metadata=None if record.result is None else record.result.get("metadata"),
            **(stream_addresses(record.job_id, self.links, caller) if is_followed else {}),
            **self._progress(status, record, [], caller),
        )

    def _progress(
        self, status: JobStatus, record: JobRecord | None, warnings: list[str], caller: Caller
    ) -> dict[str, Any]:
        if status == "running" and record is not None:
            eta = eta_seconds(record, self.now())
            return {"stage": record.stage or None, "progress": round(record.progress, 3), "eta_seconds": eta}
        if status == "done":
            return {"progress": 1.0, "result": self._result(record, warnings, caller)}
        return {"progress": 0.0}

    def _result(self, record: JobRecord | None, warnings: list[str], caller: Caller) -> object:
        """None once the engine's record has expired."""
        if record is None or record.result is None:
            return None
        made = Made(record.job_id, Generated.model_validate(record.result))
        return reply_of(made, self.store, warnings, self.links, caller)


def _is_of(caller: Caller, owner: str | None, session_id: str) -> bool:
    """A browser's token finds the jobs of its own sessions alone."""
    return caller.owns(owner) and (caller.grant is None or caller.grant.reaches(session_id))


def _status(job: AcceptedJob, record: JobRecord | None, now: datetime) -> JobStatus:
    """An open job's run is told by the engine's record; whatever else that says, the job is waiting for another."""
    if job.state != "open":
        return job.state
    if record is not None and record.state == "done":
        return "done"
    is_running = record is not None and record.state == "running" and now - record.heartbeat < LEASE
    return "running" if is_running else "queued"


def _webhook(webhook: Webhook, is_open: bool) -> WebhookReply:
    next_at = None if is_open or webhook.state != "waiting" else webhook.next_at
    return WebhookReply(state=webhook.state, attempts=list(webhook.attempts), next_at=next_at)


def _error(record: JobRecord) -> ToldError | None:
    if record.state == "cancelled":
        return ToldError.of(Interrupted("The video was cancelled. Ask for it again."))
    told = record.error
    if told is None:
        return None
    return ToldError(error=told["code"], detail=told["message"], retryable=told["retryable"])
