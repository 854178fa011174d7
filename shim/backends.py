"""What the API needs done by whoever makes the videos: the engine in this process, or a RunPod endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
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


@dataclass(frozen=True)
class KeptJob:
    """A generate that was accepted to be done later, and lies in the store.

    job_id: also its record's. request: reads it, once it is needed. queue_id: the queue's name for it, where that was
    noted. was_begun: another server may have begun it, or this one before it was started anew. who: whose other jobs it
    is counted with while it waits.
    """

    job_id: str
    session_id: str
    request: Callable[[], Awaitable[Generate]]
    queue_id: str | None = None
    was_begun: bool = False
    who: str | None = None


class Queued(Protocol):
    """A kept job that waits for its turn, or has it."""

    @property
    def queue_id(self) -> str | None:
        """The queue's name for it; None where there is no queue but this process."""
        ...

    def position(self) -> int | None:
        """Which in the line it is, from 1; None: it has its turn, or that isn't known."""
        ...

    async def made(self) -> Made:
        """The video, however long it takes. In this process, a job whose waiter is cancelled is stopped.

        Raises GenerationFailed and EngineError.
        """
        ...


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

    async def demand_possible(self, request: Generate) -> None:
        """Raise what can be known to keep the video from being made, before anything of it is begun."""
        ...

    async def enqueue(self, job: KeptJob) -> Queued:
        """Have the job wait for its turn; one that ``was_begun`` goes on where that is possible.

        Raises Overloaded when too many wait, but not for one that was begun.
        """
        ...

    def end_of(self, job_id: str) -> asyncio.Future[Made] | None:
        """The end of a job that goes on although its caller was answered; None where there is none such."""
        ...

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        """Stop a job of this backend, also one that waits; nothing happens when there is none.

        queue_id: the queue's name for it, where that is known and its record may not be there yet.
        """
        ...

    async def health(self) -> HealthReply:
        """How the backend is. Never costs a job."""
        ...
