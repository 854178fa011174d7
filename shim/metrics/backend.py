"""A backend whose videos are measured."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from engine.errors import EngineError, StillRunning
from engine.outages import Interrupted
from engine.records import SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, HealthReply
from shim.backends import Backend, Fragment, KeptJob, Made, Queued, StreamEvent
from shim.errors import GenerationFailed
from shim.metrics.instruments import Instruments

_REMEMBERED = 1000
"""Videos with an idempotency key, which may be answered with more than once."""


@dataclass
class _End:
    made: Made | None = None


class MeasuredBackend:
    """Does all that ``backend`` does. ``clock`` gives seconds."""

    def __init__(self, backend: Backend, instruments: Instruments, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._instruments = instruments
        self._clock = clock
        self._counted: deque[str] = deque(maxlen=_REMEMBERED)

    async def start(self) -> None:
        await self._backend.start()

    async def close(self) -> None:
        await self._backend.close()

    async def create_session(self, request: CreateSession, session_id: str) -> None:
        await self._backend.create_session(request, session_id)

    async def session(self, session_id: str, owner: str | None = None) -> SessionRecord:
        return await self._backend.session(session_id, owner)

    async def delete_session(self, session_id: str, owner: str | None = None) -> DeleteReply:
        return await self._backend.delete_session(session_id, owner)

    async def generate(self, request: Generate, job_id: str) -> Made:
        with self._job(request.idempotency_key is not None) as end:
            end.made = await self._backend.generate(request, job_id)
        return end.made

    async def stream(self, request: Generate, job_id: str) -> AsyncGenerator[StreamEvent, None]:
        began, waiting = self._clock(), True
        with self._job(is_keyed=False) as end:
            async with aclosing(self._backend.stream(request, job_id)) as events:
                async for event in events:
                    if waiting and isinstance(event, Fragment):
                        self._instruments.first_fragment_seconds.observe(self._clock() - began)
                        waiting = False
                    if isinstance(event, Made):
                        end.made = event
                    yield event

    async def demand_possible(self, request: Generate) -> None:
        await self._backend.demand_possible(request)

    async def enqueue(self, job: KeptJob) -> Queued:
        return MeasuredQueued(await self._backend.enqueue(job), self)

    async def made(self, queued: Queued) -> Made:
        """The video of a kept job, which always has an idempotency key."""
        with self._job(is_keyed=True) as end:
            end.made = await queued.made()
        return end.made

    def end_of(self, job_id: str) -> asyncio.Future[Made] | None:
        return self._backend.end_of(job_id)

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        await self._backend.cancel(job_id, queue_id)

    async def health(self) -> HealthReply:
        return await self._backend.health()

    @contextmanager
    def _job(self, is_keyed: bool) -> Iterator[_End]:
        end, state = _End(), "done"
        self._instruments.places_taken.inc()
        try:
            yield end
        except BaseException as error:
            state = _state_of(error) if end.made is None else state
            raise
        finally:
            self._instruments.places_taken.dec()
            self._instruments.jobs_ended.labels(state).inc()
            if end.made is not None:
                self._count(end.made, is_keyed)

    def _count(self, made: Made, is_keyed: bool) -> None:
        if is_keyed:
            if made.record_id in self._counted:
                return
            self._counted.append(made.record_id)
        self._instruments.made(made.generated)


@dataclass(frozen=True)
class MeasuredQueued:
    """A kept job whose video is measured by ``backend``."""

    queued: Queued
    backend: MeasuredBackend

    @property
    def queue_id(self) -> str | None:
        return self.queued.queue_id

    def position(self) -> int | None:
        return self.queued.position()

    async def made(self) -> Made:
        return await self.backend.made(self.queued)


def _state_of(error: BaseException) -> str:
    told = error.cause if isinstance(error, GenerationFailed) else error
    if isinstance(told, asyncio.CancelledError | GeneratorExit | Interrupted):
        return "cancelled"
    if isinstance(error, StillRunning):
        return "left"
    return "refused" if isinstance(error, EngineError) else "failed"
