"""What the API needs done by whoever makes the videos: the engine in this process, or a RunPod endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from engine.records import SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, Generated, HealthReply


@dataclass(frozen=True)
class Made:
    """A finished video. ``record_id`` is its job's record, which an idempotency key may share between jobs."""

    record_id: str
    generated: Generated


@dataclass(frozen=True)
class Begun:
    """The job is taken. Its stream and its files are found under ``record_id``."""

    record_id: str


@dataclass(frozen=True)
class Fragment:
    """The next piece of a fragmented MP4."""

    data: bytes


@dataclass(frozen=True)
class Progress:
    """How far a video is, 0 to 1."""

    stage: str
    share: float


StreamEvent = Begun | Fragment | Progress | Made
"""What a stream yields; Begun is the first, and Made the last."""


class Backend(Protocol):
    """Requests carry their ``owner``, and None is nobody's: of sessions and uploads, another owner's are as if they
    weren't there.

    Every method raises EngineError while nothing has begun, and GenerationFailed for work that had."""

    async def start(self) -> None:
        """Take up what a process before this one has left. Called once, in the event loop that serves."""
        ...

    async def close(self) -> None:
        """Stop what runs, and return when it has stopped."""
        ...

    async def create_session(self, request: CreateSession, session_id: str) -> None:
        """Write the session's record and see to its preparation; the same request again changes nothing.

        Raises what can be known at once: Conflict, Overloaded, and the errors of the avatar's name.
        """
        ...

    async def session(self, session_id: str, owner: str | None = None) -> SessionRecord:
        """The record of the owner's session, once a preparation that nobody is at any more is settled.

        Raises SessionNotFound, also for a session of another owner.
        """
        ...

    async def delete_session(self, session_id: str, owner: str | None = None) -> DeleteReply:
        """Stop what runs for the owner's session and remove it. Raises SessionNotFound, also for another owner's."""
        ...

    async def generate(self, request: Generate, job_id: str) -> Made:
        """Make the video; a request whose idempotency key has been answered gets that answer.

        A request with an idempotency key whose ``job_id`` is that of a job left running waits for that one.
        """
        ...

    def stream(self, request: Generate, job_id: str) -> AsyncGenerator[StreamEvent, None]:
        """Make the video, hand it out meanwhile, and store it as a stream.

        Closing the generator cancels the job; a job whose stream broke by itself may go on.
        """
        ...

    async def cancel(self, job_id: str) -> None:
        """Stop a job of this backend; nothing happens when it doesn't run."""
        ...

    async def health(self) -> HealthReply:
        """How the backend is. Never costs a job."""
        ...
