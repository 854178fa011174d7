"""What RunPod's queue says of its jobs and of itself."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from engine.errors import InternalError
from engine.outages import Interrupted

JsonObject = Mapping[str, JsonValue]
JobStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]

FINAL: frozenset[JobStatus] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_KNOWN = frozenset(get_args(JobStatus))

log = logging.getLogger(__name__)


class Unreadable(ValueError):
    """An answer that is none of the queue's."""


class JobError(BaseModel):
    """Why a job failed, in the words of the worker; ``request_id`` is the job's id."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    code: str
    message: str
    retryable: bool
    request_id: str | None = None


@dataclass(frozen=True)
class QueuedJob:
    """A job that the queue has taken."""

    id: str
    status: JobStatus


@dataclass(frozen=True)
class JobState:
    """How a job is.

    ``output`` is the result of a completed job and the progress of a running one. ``error`` is there when the job
    failed or timed out. ``delay_ms`` is how long it waited for a worker, ``execution_ms`` how long it ran.
    """

    id: str
    status: JobStatus
    output: JsonValue = None
    error: JobError | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    worker_id: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing will change any more, but by a retry."""
        return self.status in FINAL


@dataclass(frozen=True)
class JobCounts:
    """The endpoint's jobs; ended ones count as long as the queue remembers them."""

    completed: int
    failed: int
    in_progress: int
    in_queue: int
    retried: int


@dataclass(frozen=True)
class WorkerCounts:
    """The endpoint's workers."""

    idle: int
    initializing: int
    ready: int
    running: int
    throttled: int
    unhealthy: int


@dataclass(frozen=True)
class EndpointHealth:
    """How the endpoint is."""

    jobs: JobCounts
    workers: WorkerCounts


def read_queued(answer: JsonObject) -> QueuedJob:
    """Raises Unreadable."""
    return QueuedJob(_text_of(answer, "id"), _status_of(answer))


def read_state(answer: JsonObject) -> JobState:
    """Raises Unreadable."""
    status = _status_of(answer)
    worker = answer.get("workerId")
    return JobState(
        id=_text_of(answer, "id"),
        status=status,
        output=answer.get("output"),
        error=_error_of(status, answer.get("error")),
        delay_ms=_milliseconds(answer.get("delayTime")),
        execution_ms=_milliseconds(answer.get("executionTime")),
        worker_id=worker if isinstance(worker, str) else None,
    )


def read_health(answer: JsonObject) -> EndpointHealth:
    """A number that is missing is 0. Raises Unreadable when there are no numbers at all."""
    jobs, workers = answer.get("jobs"), answer.get("workers")
    if not isinstance(jobs, dict) or not isinstance(workers, dict):
        raise Unreadable("it counts no jobs or no workers")
    return EndpointHealth(
        JobCounts(
            completed=_count(jobs, "completed"),
            failed=_count(jobs, "failed"),
            in_progress=_count(jobs, "inProgress"),
            in_queue=_count(jobs, "inQueue"),
            retried=_count(jobs, "retried"),
        ),
        WorkerCounts(
            idle=_count(workers, "idle"),
            initializing=_count(workers, "initializing"),
            ready=_count(workers, "ready"),
            running=_count(workers, "running"),
            throttled=_count(workers, "throttled"),
            unhealthy=_count(workers, "unhealthy"),
        ),
    )


def _status_of(answer: JsonObject) -> JobStatus:
    """A status that RunPod adds one day counts as a running job's: what has ended would have one of those known."""
    status = _text_of(answer, "status")
    if _is_known(status):
        return status
    log.warning("The queue has a job in a status that is not known, taken as IN_PROGRESS: %.40r", status)
    return "IN_PROGRESS"


def _is_known(status: str) -> TypeGuard[JobStatus]:
    return status in _KNOWN


def _error_of(status: JobStatus, error: JsonValue) -> JobError | None:
    if status == "TIMED_OUT":
        return _error(Interrupted("The job ran out of the time that it is given. Try again."))
    if status != "FAILED":
        return None
    try:
        if isinstance(error, str):
            return JobError.model_validate_json(error)
        return JobError.model_validate(error)
    except ValidationError:
        # What the SDK or the platform write by themselves holds tracebacks, paths and hosts' names.
        return _error(InternalError("The worker failed without saying why; the endpoint's log may tell."))


def _error(error: InternalError | Interrupted) -> JobError:
    return JobError(code=error.code, message=error.message, retryable=error.retryable)


def _text_of(answer: JsonObject, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"it has no {name}")
    return value


def _milliseconds(value: JsonValue) -> int | None:
    return round(value) if _is_number(value) else None


def _count(counts: JsonObject, name: str) -> int:
    value = counts.get(name)
    return round(value) if _is_number(value) else 0


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
