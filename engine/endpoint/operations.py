"""What the endpoint can be asked, as plain requests: the clients send them, blocking or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, NoReturn, TypeVar

from pydantic import JsonValue

from engine.endpoint.job_state import (
    EndpointHealth,
    JobState,
    JsonObject,
    QueuedJob,
    read_health,
    read_queued,
    read_state,
)
from engine.errors import ConfigurationError, Conflict, EngineError, InvalidInput

MAX_RUN_BYTES = 10_000_000
"""What /run takes. https://docs.runpod.io/serverless/endpoints/operation-reference"""

Result = TypeVar("Result")

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Policy:
    """Limits of one job; what is None is the endpoint's own.

    ``execution_timeout_ms``: how long it may run, 5 s to 7 days. ``ttl_ms``: how long after its submission the queue
    forgets it, running or not, 10 s to 7 days. ``low_priority``: no worker is started for its sake.
    """

    execution_timeout_ms: int | None = None
    ttl_ms: int | None = None
    low_priority: bool | None = None

    def as_json(self) -> dict[str, JsonValue]:
        fields: dict[str, JsonValue] = {
            "executionTimeout": self.execution_timeout_ms,
            "ttl": self.ttl_ms,
            "lowPriority": self.low_priority,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Operation(Generic[Result]):
    """One request and how its answer is read.

    ``read`` raises Unreadable; ``missing`` is what a 404 comes to; ``refused`` is the error of an answer that finds
    fault with the request. ``repeatable``: asking twice has no other effect than asking once.
    """

    method: Literal["GET", "POST"]
    path: str
    read: Callable[[JsonObject], Result]
    missing: Callable[[], Result]
    refused: Callable[[], EngineError]
    repeatable: bool
    body: bytes | None = field(default=None, repr=False)


def run(
    job_input: JsonObject, policy: Policy | None, webhook: str | None, s3_config: JsonObject | None
) -> Operation[QueuedJob]:
    """Raises InvalidInput when the job is larger than the queue takes."""
    body = _run_body(job_input, policy, webhook, s3_config)
    return Operation("POST", "run", read_queued, _no_endpoint, _refused_job, repeatable=False, body=body)


def status(job_id: str) -> Operation[JobState | None]:
    return Operation("GET", f"status/{job_id}", read_state, _no_job, _misunderstood, repeatable=True)


def cancel(job_id: str) -> Operation[JobState | None]:
    return Operation("POST", f"cancel/{job_id}", read_state, _no_job, _misunderstood, repeatable=True)


def retry(job_id: str) -> Operation[QueuedJob | None]:
    return Operation("POST", f"retry/{job_id}", read_queued, _no_job, _not_retriable, repeatable=False)


def health() -> Operation[EndpointHealth]:
    return Operation("GET", "health", read_health, _no_endpoint, _misunderstood, repeatable=True)


def is_job_id(value: str) -> bool:
    """Whether a job can have this id; no other one becomes part of an address."""
    return _JOB_ID.fullmatch(value) is not None


def _run_body(job_input: JsonObject, policy: Policy | None, webhook: str | None, s3_config: JsonObject | None) -> bytes:
    fields: dict[str, object] = {"input": dict(job_input)}
    if policy is not None:
        fields["policy"] = policy.as_json()
    if webhook is not None:
        fields["webhook"] = webhook
    if s3_config is not None:
        fields["s3Config"] = dict(s3_config)
    body = _json(fields)
    if len(body) > MAX_RUN_BYTES:
        raise InvalidInput(
            f"The job takes {len(body)} bytes as JSON and the queue at most {MAX_RUN_BYTES}: "
            "name large files by their URL."
        )
    return body


def _json(fields: dict[str, object]) -> bytes:
    try:
        return json.dumps(fields, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        raise InvalidInput("The job can't be written as JSON: it holds NaN, an infinity or half a character.") from None


def _no_job() -> None:
    return None


def _no_endpoint() -> NoReturn:
    raise ConfigurationError(
        "RunPod has no such endpoint, or not for this key. The operator has to check RUNPOD_ENDPOINT_ID, "
        "RUNPOD_API_KEY and RUNPOD_API_BASE_URL."
    )


def _refused_job() -> EngineError:
    return InvalidInput(
        "The queue refuses the job. It takes a JSON object as input, an https webhook, and a policy within its limits."
    )


def _not_retriable() -> EngineError:
    return Conflict("The queue does not repeat this job: only one that failed or timed out can be repeated.")


def _misunderstood() -> EngineError:
    return ConfigurationError(
        "What answers in RunPod's place does not understand the request. The operator has to check RUNPOD_API_BASE_URL."
    )
