"""What is kept of a generate that was accepted to be done later."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from engine.errors import EngineError
from engine.record_values import KeyPart
from engine.records import Record
from shim.callers import Caller, CallerKind

JobEnd = Literal["done", "failed", "cancelled"]


class ToldError(BaseModel):
    """Why a job made no video."""

    model_config = ConfigDict(frozen=True)

    error: str = Field(description="A stable code.", examples=["audio_silent"])
    detail: str = Field(description="A sentence that says what was wrong and what to do.")
    retryable: bool = Field(description="Whether the same request may succeed later.")

    @classmethod
    def of(cls, error: EngineError) -> ToldError:
        return cls(error=error.code, detail=error.message, retryable=error.retryable)


class Attempt(BaseModel):
    """One try to deliver a webhook. ``status``: of the receiver's answer; ``error``: why there was none."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    status: int | None = None
    error: str | None = None


class Webhook(BaseModel):
    """Where a job's end is told.

    message_id: the same at every attempt. next_at: of the next one, once the job has ended and while it is `waiting`.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    message_id: str
    state: Literal["waiting", "delivered", "given_up"] = "waiting"
    attempts: tuple[Attempt, ...] = ()
    next_at: AwareDatetime | None = None


class JobCaller(BaseModel):
    """Who has asked for a job. What a browser's token was limited to has been counted when the job was accepted."""

    model_config = ConfigDict(frozen=True)

    owner: str | None
    name: str
    kind: CallerKind

    @classmethod
    def of(cls, caller: Caller) -> JobCaller:
        return cls(owner=caller.owner, name=caller.name, kind=caller.kind)

    def caller(self) -> Caller:
        return Caller(self.owner, self.name, self.kind)


class AcceptedJob(Record):
    """A job from its acceptance to the delivery of its end.

    job_id: also of the engine's record, which tells how far it is and what was made. body_hash: of its request.
    state: `open` until it has ended, however that is; then ``ended_at`` is set. holder: the server that sees to it.
    queue_id: the queue's name for it, once it is there. lost: how often a server died while the video was being made.
    warnings: what of the request was ignored.
    """

    job_id: str
    session_id: KeyPart
    caller: JobCaller
    body_hash: KeyPart
    holder: str
    state: Literal["open", "done", "failed", "cancelled"] = "open"
    ended_at: AwareDatetime | None = None
    queue_id: str | None = None
    lost: int = 0
    error: ToldError | None = None
    metadata: JsonValue = None
    warnings: tuple[str, ...] = ()
    webhook: Webhook | None = None

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    @property
    def next_delivery(self) -> AwareDatetime | None:
        """When its end is to be told next; None: never (again)."""
        webhook = self.webhook
        return None if self.is_open or webhook is None or webhook.state != "waiting" else webhook.next_at
