"""How a generate job ended that made no video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.endpoint.job_state import JobState
from engine.endpoint.told_errors import told_error
from engine.errors import EngineError, InternalError, SessionNotFound
from engine.jobs import JobName
from engine.outages import Interrupted
from engine.records import JobRecord


@dataclass(frozen=True)
class Ended:
    """``may_retry``: the queue takes the job once more, and that may help."""

    state: Literal["failed", "cancelled"]
    error: EngineError
    may_retry: bool = False


def end_of(state: JobState | None) -> Ended:
    """What the queue's last word on a job comes to that left no video; None: the queue has forgotten it."""
    if state is None:
        return Ended("failed", Interrupted("The queue has lost the video's job. Ask for the video again."))
    if state.status == "CANCELLED":
        return Ended("cancelled", Interrupted("The video was cancelled. Ask for it again."))
    if state.error is None:
        return Ended("failed", InternalError("The worker ended the job without a video; the endpoint's log may tell."))
    may_retry = state.status == "FAILED" and state.error.retryable
    return Ended("failed", told_error(state.error), may_retry)


def told_end(ended: Ended, session_deleted: bool) -> EngineError:
    """The error for the job's caller: whoever deletes a session cancels its jobs."""
    if ended.state == "cancelled" and session_deleted:
        return SessionNotFound("The session was deleted while its video was being made.")
    return ended.error


def ended_record(old: JobRecord, name: JobName, ended: Ended) -> JobRecord:
    """The record of a job that has ended; as it is when its worker, or another job, has had the last word."""
    if old.state != "running" or old.queue_id != name.queue_id:
        return old
    error = ended.error
    told = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return old.model_copy(update={"state": ended.state, "error": told})
