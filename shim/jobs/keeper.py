"""Sees accepted jobs through: from their acceptance, or another server's death, to the delivery of their end.

Every job has one holder, the server that accepted it. The others take over when it has not been heard of for a while.
Doing a job twice does no harm: its idempotency key gives one result.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from engine.errors import EngineError, IdempotencyConflict, InternalError, SessionNotFound
from engine.outages import Interrupted, Outage
from engine.records import Records
from engine.schemas import Generate
from shim.backends import Backend, KeptJob, Queued
from shim.callers import Caller
from shim.errors import GenerationFailed
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.left import LeftJobs, Looking
from shim.jobs.record import AcceptedJob, JobEnd
from shim.jobs.replicas import BEAT_SECONDS, Replica
from shim.limits.rates import counted_as
from shim.turnstile import Turnstile
from worker.logs import job_log_context

PAUSE_SECONDS = 3.0
"""Between two tries of what the store, the queue or the turnstile has refused for the moment."""

MOST_LOST = 2
"""How often a job is made anew whose video was being made when its server died: it may be what ends the server."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """What keeping jobs takes.

    deliver: tells a job's end to its webhook, and returns when nothing is left to tell; False when that is another
    server's. beat_seconds: between two signs of life. pause_seconds: between two tries of what was refused.
    """

    backend: Backend
    turnstile: Turnstile
    accepted: AcceptedJobs
    records: Records
    replica: Replica
    deliver: Callable[[str], Awaitable[bool]]
    now: Callable[[], datetime]
    beat_seconds: float = BEAT_SECONDS
    pause_seconds: float = PAUSE_SECONDS


class JobKeeper:
    """Used in one event loop. ``start`` before the first job, and ``close`` before the backend."""

    def __init__(self, keeping: Keeping) -> None:
        self._with = keeping
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._here: Counter[str] = Counter()
        self._queued: dict[str, Queued] = {}
        self._left = LeftJobs(
            Looking(
                keeping.accepted,
                keeping.records,
                keeping.replica,
                lambda job_id: self._here[job_id] > 0,
                lambda job: self._spawn(job.job_id, self._going_on(job)),
                keeping.now,
                keeping.beat_seconds,
            )
        )

    def start(self) -> None:
        self._left.start()

    async def close(self) -> None:
        """Stop, and leave the unfinished jobs to the next server."""
        await self._left.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.to_thread(self._with.replica.leave)
        except EngineError as error:
            log.warning("The jobs could not be handed over at once: %s", error.message)

    async def accept(self, new: AcceptedJob, request: Generate, caller: Caller) -> AcceptedJob:
        """Keep the job and begin with it; the same request again finds the job as it is.

        Raises IdempotencyConflict, what the turnstile and the backend refuse it for, and what the store raises; then
        there is no such job.
        """
        known = await asyncio.to_thread(self._with.accepted.get, new.job_id)
        if known is not None:
            return _same(known, new)
        if await asyncio.to_thread(self._with.records.jobs.get, new.job_id) is not None:
            raise _conflict()
        await self._with.backend.demand_possible(request)
        await self._left.demand_alive()
        taken: asyncio.Future[AcceptedJob] = asyncio.get_running_loop().create_future()
        accepting = self._spawn(new.job_id, self._accepting(new, request, caller, taken))
        del request
        either: set[asyncio.Future[Any]] = {taken, accepting}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return taken.result() if taken.done() else await _failed(accepting)

    def position(self, job_id: str) -> int | None:
        """Which in this server's line the job is, from 1."""
        queued = self._queued.get(job_id)
        return None if queued is None else queued.position()

    async def cancel(self, job: AcceptedJob) -> None:
        """Stop the job unless it has ended."""
        error = Interrupted("The video was cancelled. Ask for it again.")
        await self._stop(await asyncio.to_thread(self._with.accepted.end, job.job_id, "cancelled", error))

    async def cancel_session(self, session_id: str) -> None:
        """Stop the jobs of a session that was deleted."""
        for job in await asyncio.to_thread(self._with.accepted.end_with_session, session_id):
            await self._stop(job)

    async def _stop(self, job: AcceptedJob | None) -> None:
        if job is not None and job.state == "cancelled":
            await self._with.backend.cancel(job.job_id, job.queue_id)

    async def _accepting(
        self, new: AcceptedJob, request: Generate, caller: Caller, taken: asyncio.Future[AcceptedJob]
    ) -> None:
        light = _light(request)
        async with self._with.turnstile.held(caller, light):
            if not await asyncio.to_thread(self._with.accepted.keep, new, request):
                taken.set_result(await self._found(new))
                return
            # Megabytes of sound are not to wait in memory.
            del request
            try:
                queued = await self._with.backend.enqueue(replace(self._kept(new), who=counted_as(caller)))
            except EngineError:
                await asyncio.to_thread(self._with.accepted.withdraw, new)
                raise
            taken.set_result(new)
            await self._make(new, queued)
        await self._tell(new.job_id)

    async def _going_on(self, job: AcceptedJob) -> None:
        """See to a job that another server, or this one, has left."""
        if job.is_open:
            try:
                await self._make_again(job)
            except EngineError as error:
                await self._end(job.job_id, "failed", error)
        await self._tell(job.job_id)

    async def _make_again(self, job: AcceptedJob) -> None:
        if job.lost > MOST_LOST:
            raise Interrupted("The server stopped again and again while it made this video. Try another one.")
        request = _light(await self._patiently(lambda: self._with.accepted.request(job.job_id)))
        async with self._past_again(job, request):
            while True:
                try:
                    queued = await self._with.backend.enqueue(self._kept(job, was_begun=True))
                except Outage as error:
                    log.warning("Job %s can't go on yet: %s", job.job_id, error.message)
                    await asyncio.sleep(self._with.pause_seconds)
                else:
                    return await self._make(job, queued)

    async def _make(self, job: AcceptedJob, queued: Queued) -> None:
        self._queued[job.job_id] = queued
        try:
            if queued.queue_id is not None and queued.queue_id != job.queue_id:
                note = {"queue_id": queued.queue_id}
                await self._patiently(
                    lambda: self._with.accepted.change(job.job_id, lambda old: old.model_copy(update=note))
                )
            await queued.made()
        except GenerationFailed as failure:
            await self._failed(job.job_id, failure.cause)
        except EngineError as error:
            await self._failed(job.job_id, error)
        else:
            await self._end(job.job_id, "done")
        finally:
            self._queued.pop(job.job_id, None)

    async def _failed(self, job_id: str, error: EngineError) -> None:
        """Whoever deletes a session cancels its jobs."""
        await self._end(job_id, "cancelled" if isinstance(error, SessionNotFound) else "failed", error)

    async def _end(self, job_id: str, state: JobEnd, error: EngineError | None = None) -> None:
        await self._patiently(lambda: self._with.accepted.end(job_id, state, error))

    async def _tell(self, job_id: str) -> None:
        """Have the job's end delivered. Nothing is left to do then."""
        while True:
            try:
                if await self._with.deliver(job_id):
                    await asyncio.to_thread(self._with.accepted.finish, job_id)
                return
            except Outage as error:
                log.warning("The end of job %s can't be told yet: %s", job_id, error.message)
                await asyncio.sleep(self._with.pause_seconds)

    @asynccontextmanager
    async def _past_again(self, job: AcceptedJob, request: Generate) -> AsyncIterator[None]:
        """Past the turnstile once more. The job was accepted, so what refuses it now makes it wait and no more; one
        that the queue has goes on in any case."""
        async with AsyncExitStack() as stack:
            while True:
                try:
                    await stack.enter_async_context(self._with.turnstile.held(job.caller.caller(), request))
                    break
                except EngineError as error:
                    if job.queue_id is not None or not error.retryable:
                        break
                    log.info("Job %s waits: %s", job.job_id, error.message)
                    await asyncio.sleep(self._with.pause_seconds)
            yield

    def _kept(self, job: AcceptedJob, was_begun: bool = False) -> KeptJob:
        async def request() -> Generate:
            return await self._patiently(lambda: self._with.accepted.request(job.job_id))

        return KeptJob(job.job_id, job.session_id, request, job.queue_id, was_begun)

    async def _found(self, new: AcceptedJob) -> AcceptedJob:
        """The job that another request with the same key was faster to keep."""
        known = await asyncio.to_thread(self._with.accepted.get, new.job_id)
        if known is None:
            raise Interrupted("The same request could not be begun a moment ago. Send it again.")
        return _same(known, new)

    def _spawn(self, job_id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._seen_through(job_id, work), name=f"keep {job_id}")
        self._tasks[task] = job_id
        self._here[job_id] += 1
        task.add_done_callback(self._leave)
        return task

    def _leave(self, task: asyncio.Task[None]) -> None:
        job_id = self._tasks.pop(task)
        self._here -= Counter([job_id])
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.info("Job %s is not gone on with here: %s", job_id, error)

    async def _seen_through(self, job_id: str, work: Coroutine[Any, Any, None]) -> None:
        """The outermost door of a job: what nobody foresaw ends the job, and no other."""
        with job_log_context(job_id):
            try:
                await work
            except EngineError:
                raise
            except Exception:
                log.exception("The job failed in a way that nobody foresaw.")
                defect = InternalError("Something went wrong inside the service; its log says what.")
                await self._end(job_id, "failed", defect)
                raise defect from None

    async def _patiently(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, in a thread; while the store is away it is tried again."""
        while True:
            try:
                return await asyncio.to_thread(work)
            except Outage as error:
                if isinstance(error, Interrupted):
                    raise
                log.warning("The job has to wait for the store: %s", error.message)
                await asyncio.sleep(self._with.pause_seconds)


def _same(known: AcceptedJob, new: AcceptedJob) -> AcceptedJob:
    if known.body_hash != new.body_hash:
        raise _conflict()
    return known


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict("This `idempotency_key` came with another request before. Use a new key.")


def _light(request: Generate) -> Generate:
    """The request as the turnstile keeps it while the job waits: without the bytes of its sound."""
    return request if request.audio_base64 is None else request.model_copy(update={"audio_base64": ""})


async def _failed(accepting: asyncio.Task[None]) -> AcceptedJob:
    """Raises why nothing was accepted."""
    await accepting
    raise Interrupted("The server stops. Send the request again.")
