"""The backend of an endpoint as the API calls it, in an event loop that goes on between the calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import SecretStr

from engine.clock import utc_now
from engine.endpoint.client import EndpointAddress
from engine.records import JobRecord, Records, SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, HealthReply
from engine.store.protocol import ObjectStore
from shim.backends import Backend, Fragment, Made, StreamEvent
from shim.runpod_backend import RunPodBackend
from shim.settings import ShimSettings
from tests.shim.waiting import wait_until
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn

T = TypeVar("T")

SECONDS = 60.0


class Watching:
    """A stream's events, taken one at a time from outside its event loop."""

    def __init__(self, events: AsyncGenerator[StreamEvent, None], loop: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._loop = loop

    def next(self, seconds: float = SECONDS) -> StreamEvent:
        """The next event. Raises what the stream raises."""
        return self.awaited().result(seconds)

    def awaited(self) -> Future[StreamEvent]:
        """The next event, while the test goes on."""
        return asyncio.run_coroutine_threadsafe(self._next(), self._loop)

    def fragment(self) -> bytes:
        """The next fragment, past the events before it."""
        while not isinstance(event := self.next(), Fragment):
            assert not isinstance(event, Made)
        return event.data

    def end(self) -> list[StreamEvent]:
        """What is left of it."""
        events = [self.next()]
        while not isinstance(events[-1], Made):
            events.append(self.next())
        return events

    def leave(self) -> None:
        asyncio.run_coroutine_threadsafe(self._events.aclose(), self._loop).result(SECONDS)

    async def _next(self) -> StreamEvent:
        return await anext(self._events)


class Front:
    """A context: entering starts the backend, leaving closes it."""

    def __init__(
        self,
        queue: QueueStandIn,
        store: ObjectStore,
        settings: ShimSettings | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.queue = queue
        self.records = Records(store, now)
        self._store = store
        self._settings = settings or ShimSettings()
        self._now = now
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        self._backend: Backend

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self._backend.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def create(self, session_id: str, avatar: str | None = None) -> None:
        self.creating(session_id, avatar).result(SECONDS)

    def creating(self, session_id: str, avatar: str | None = None) -> Future[None]:
        """A creation that goes on beside the test."""
        request = CreateSession(action="create_session", avatar_video_path=avatar)
        return asyncio.run_coroutine_threadsafe(self._backend.create_session(request, session_id), self._loop)

    def change(self, session_id: str, **changes: object) -> None:
        """Change the session's record, as a worker does."""
        self.records.sessions.update(session_id, lambda old: old.model_copy(update=changes))

    def session(self, session_id: str) -> SessionRecord:
        return self._wait(self._backend.session(session_id))

    def settled(self, session_id: str) -> SessionRecord:
        """The session once it is no more prepared."""
        wait_until(lambda: self.session(session_id).status != "preparing", SECONDS)
        return self.session(session_id)

    def delete(self, session_id: str) -> DeleteReply:
        return self._wait(self._backend.delete_session(session_id))

    def generate(self, job_id: str = "asked", **fields: Any) -> Made:
        return self._wait(self._backend.generate(Generate(**fields), job_id))

    def generating(self, job_id: str = "asked", **fields: Any) -> Future[Made]:
        """A generate that goes on beside the test."""
        return asyncio.run_coroutine_threadsafe(self._backend.generate(Generate(**fields), job_id), self._loop)

    def stream(self, job_id: str = "asked", **fields: Any) -> Watching:
        return Watching(self._backend.stream(Generate(**fields), job_id), self._loop)

    def cancel(self, job_id: str) -> None:
        self._wait(self._backend.cancel(job_id))

    def health(self) -> HealthReply:
        return self._wait(self._backend.health())

    def only_job(self) -> str:
        """The queue's one job, as soon as it has it."""
        wait_until(lambda: len(self.queue.inputs()) == 1)
        return next(iter(self.queue.inputs()))

    def make_ready(self, session_id: str) -> None:
        """Write a session that is ready, as a worker would leave it."""
        record = SessionRecord(
            session_id=session_id,
            status="ready",
            avatar_key="a" * 64,
            input_hash="0" * 64,
            job_id="its-job",
            heartbeat=self._now(),
            created=self._now(),
            updated=self._now(),
        )
        assert self.records.sessions.create(record)

    def begin(self, job_id: str, heartbeat: datetime) -> None:
        """Write a job's record, as a worker leaves it that has begun and died."""
        record = JobRecord(
            job_id=job_id,
            queue_id=job_id,
            action="generate",
            input_hash="0" * 64,
            state="running",
            heartbeat=heartbeat,
            created=heartbeat,
            updated=heartbeat,
        )
        assert self.records.jobs.create(record)

    def job(self, job_id: str) -> JobRecord:
        record = self.records.jobs.get(job_id)
        assert record is not None
        return record

    async def _open(self) -> None:
        address = EndpointAddress(ENDPOINT, SecretStr(KEY), self.queue.url.removesuffix(f"/{ENDPOINT}"))
        self._backend = RunPodBackend(self._settings, self._store, self.records, address, self._now)
        await self._backend.start()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)
