"""The engine in this process: videos and preparations in a limited number of threads."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from datetime import datetime
from typing import Any

from engine.cancel import Cancelled, CancelToken
from engine.clock import utc_now
from engine.engine import Engine, Job
from engine.errors import EngineError, InvalidInput
from engine.job_ids import session_of_job
from engine.jobs import JobName
from engine.outages import Interrupted
from engine.records import SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, Generated, HealthReply
from engine.session_records import begun_again, demand_same_avatar, existing_session, new_session, owned_session
from shim.backends import Begun, KeptJob, Made, StreamEvent
from shim.channel import VideoChannel
from shim.errors import GenerationFailed
from shim.preparing import Preparing
from shim.priority import step_back
from shim.recovery import Recovery
from shim.running import RunningJob, RunningJobs
from worker.logs import job_log_context
from worker.threads import JobThreads

log = logging.getLogger(__name__)


class InProcess:
    """A Backend. ``engine.settings.max_concurrency`` videos and as many preparations run at a time.

    most_waiting: kept jobs that may wait for a place. kept: ids of the kept jobs that are not at their end; it blocks.
    """

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime] = utc_now,
        most_waiting: int = 0,
        kept: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._engine = engine
        self._now = now
        self._kept = kept
        self._health = engine.health()
        slots = engine.settings.max_concurrency
        self._running = RunningJobs(slots, most_waiting)
        self._threads = JobThreads(slots, step_back)
        self._preparing: Preparing
        self._recovery: asyncio.Task[None]

    async def start(self) -> None:
        self._preparing = Preparing(self._engine, self._engine.settings.max_concurrency, self._now)
        recovery = Recovery(self._engine.records, self._preparing.begin, self._now, self._kept)
        self._recovery = asyncio.create_task(recovery.run(), name="recovery")

    async def close(self) -> None:
        self._recovery.cancel()
        self._running.cancel_all()
        await self._preparing.close()
        await asyncio.to_thread(self._threads.close)

    async def create_session(self, request: CreateSession, session_id: str) -> None:
        self._preparing.demand_room()
        record = await asyncio.to_thread(self._begin, request, session_id, str(uuid.uuid4()))
        self._preparing.begin(record)

    async def session(self, session_id: str, owner: str | None = None) -> SessionRecord:
        return await asyncio.to_thread(self._engine.sessions.owned, session_id, owner)

    async def delete_session(self, session_id: str, owner: str | None = None) -> DeleteReply:
        await asyncio.to_thread(owned_session, self._engine.records, session_id, owner)
        self._running.cancel_session(session_id)
        # One that is still at work would write the record anew.
        await self._preparing.stop(session_id)
        return await asyncio.to_thread(self._engine.sessions.delete, session_id)

    async def generate(self, request: Generate, job_id: str) -> Made:
        name = _name_of(request, job_id)
        with self._running.slot(job_id, _session_of(request, name)) as running:
            return await self._make(_job(request, job_id), name, running.cancel, lambda _: None)

    async def stream(self, request: Generate, job_id: str) -> AsyncGenerator[StreamEvent, None]:
        if request.idempotency_key is not None:
            raise InvalidInput("A stream takes no `idempotency_key`: what was made before is not made again.")
        name = _name_of(request, job_id)
        with self._running.slot(job_id, _session_of(request, name)) as running:
            yield Begun(name.record_id)
            stored = request.model_copy(update={"stream": True})
            async with aclosing(self._streamed(stored, name, running)) as events:
                async for event in events:
                    yield event

    async def demand_possible(self, request: Generate) -> None:
        self._running.demand_room()
        await asyncio.to_thread(self._engine.generation.demand_possible, request)

    async def enqueue(self, job: KeptJob) -> LinedUp:
        if not job.was_begun:
            self._running.demand_room(job.who)
        return LinedUp(job, self._running, self.make_kept)

    async def make_kept(self, request: Generate, running: RunningJob) -> Made:
        """The video of a kept job that has its turn."""
        name = _name_of(request, running.job_id)
        return await self._make(_job(request, running.job_id), name, running.cancel, lambda _: None)

    def end_of(self, job_id: str) -> None:
        return None

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        self._running.cancel(job_id)

    async def health(self) -> HealthReply:
        return self._health.model_copy(update={"jobs": self._running.counts()})

    async def _streamed(
        self, request: Generate, name: JobName, running: RunningJob
    ) -> AsyncGenerator[StreamEvent, None]:
        channel = VideoChannel(running.cancel)
        job = _job(request, running.job_id, channel.fragment)
        made = asyncio.create_task(self._make(job, name, running.cancel, channel.progress))
        made.add_done_callback(lambda _: channel.end())
        try:
            async for event in channel:
                yield event
            yield await made
        finally:
            running.cancel.cancel()
            await asyncio.gather(made, return_exceptions=True)

    async def _make(
        self, job: Job, name: JobName, cancel: CancelToken, progress: Callable[[dict[str, Any]], None]
    ) -> Made:
        with job_log_context(name.record_id):
            log.info("The video's job begins.")
            return await self._threads.run(lambda: self._run(job, name, cancel, progress), cancel)

    def _run(self, job: Job, name: JobName, cancel: CancelToken, progress: Callable[[dict[str, Any]], None]) -> Made:
        try:
            output = self._engine.run(job, progress, cancel)
        except EngineError as error:
            if self._had_begun(name):
                raise GenerationFailed(error) from error
            raise
        except Cancelled:
            raise GenerationFailed(Interrupted("The video was cancelled. Ask for it again.")) from None
        return Made(name.record_id, Generated.model_validate(output))

    def _had_begun(self, name: JobName) -> bool:
        """Whether this run took the job on: then its record names it."""
        try:
            record = self._engine.records.jobs.get(name.record_id)
        except EngineError:
            return True
        return record is not None and record.queue_id == name.queue_id

    def _begin(self, request: CreateSession, session_id: str, job_id: str) -> SessionRecord:
        """The session's record, new or as it stands; one that had failed is begun again."""
        self._engine.sessions.sources.find(request.avatar_video_path, request.owner)
        sessions = self._engine.records.sessions
        new = new_session(request, session_id, job_id, self._now(), self._engine.sessions.lifetimes)
        if sessions.create(new):
            return new
        found = existing_session(self._engine.records, session_id)
        demand_same_avatar(found, new)
        self._engine.sessions.blocked.demand_allowed(found.avatar_sha256)
        record = sessions.update(session_id, lambda old: begun_again(old, new) if old.status == "error" else old)
        return record or existing_session(self._engine.records, session_id)


class LinedUp:
    """A kept job in this process' line. Its request is read when its turn has come: many with much sound may wait."""

    def __init__(
        self, job: KeptJob, running: RunningJobs, make: Callable[[Generate, RunningJob], Coroutine[Any, Any, Made]]
    ) -> None:
        self._job = job
        self._running = running
        self._make = make
        self._waiting = running.line_up(job.job_id, job.session_id, job.who)

    @property
    def queue_id(self) -> str | None:
        return None

    def position(self) -> int | None:
        return self._running.position(self._waiting)

    async def made(self) -> Made:
        async with self._running.turn(self._waiting) as running:
            making = asyncio.create_task(self._make(await self._job.request(), running))
            try:
                await asyncio.wait({making})
            except asyncio.CancelledError:
                # The job has to have left its thread before the next one gets the place.
                running.cancel.cancel()
                await asyncio.gather(making, return_exceptions=True)
                raise
            return making.result()


def _name_of(request: Generate, job_id: str) -> JobName:
    if request.idempotency_key is not None:
        return JobName.of_idempotency_key(request.idempotency_key, job_id, request.owner)
    return JobName(job_id, job_id)


def _session_of(request: Generate, name: JobName) -> str:
    return request.session_id or session_of_job(name.record_id)


def _job(request: Generate, job_id: str, fragments: Callable[[bytes], None] | None = None) -> Job:
    return Job(job_id, request.model_dump(mode="json", exclude_none=True), fragments=fragments)
