"""Preparations that go on in this process while their sessions' callers poll."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from engine.cancel import Cancelled, CancelToken
from engine.endpoint.preparations import creation_of
from engine.engine import Engine, Job
from engine.errors import EngineError, SessionNotFound
from engine.outages import Overloaded
from engine.records import SessionRecord
from engine.sessions import PULSE_SECONDS
from shim.priority import step_back
from worker.logs import job_log_context
from worker.threads import JobThreads

MOST_WAITING = 64
STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Preparation:
    task: asyncio.Task[None]
    cancel: CancelToken


class Preparing:
    """Runs at most ``slots`` preparations at a time and lets others wait. Used in the event loop's thread alone."""

    def __init__(self, engine: Engine, slots: int, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._free = asyncio.Semaphore(slots)
        self._threads = JobThreads(slots, step_back)
        self._running: dict[str, _Preparation] = {}

    def demand_room(self) -> None:
        """Raises Overloaded when as many wait as may."""
        if len(self._running) >= MOST_WAITING:
            raise Overloaded("Too many avatars are waiting to be prepared. Try again in a minute.", 60)

    def begin(self, record: SessionRecord) -> None:
        """Prepare the session's avatar, unless that goes on already."""
        if record.session_id in self._running:
            return
        cancel = CancelToken()
        task = asyncio.create_task(self._prepare(record, cancel), name=f"prepare {record.session_id}")
        self._running[record.session_id] = _Preparation(task, cancel)
        task.add_done_callback(lambda _: self._running.pop(record.session_id, None))

    async def stop(self, session_id: str) -> None:
        """Stop the session's preparation and wait, not for ever, until it has stopped."""
        preparation = self._running.get(session_id)
        if preparation is not None:
            preparation.task.cancel()
            await asyncio.wait({preparation.task}, timeout=STOP_SECONDS)

    async def close(self) -> None:
        """Stop them all and wait for the threads."""
        tasks = [preparation.task for preparation in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.to_thread(self._threads.close)

    async def _prepare(self, record: SessionRecord, cancel: CancelToken) -> None:
        job_id = record.job_id or str(uuid.uuid4())
        job = Job(job_id, creation_of(record))
        with job_log_context(job_id):
            log.info("The avatar of session %s is to be prepared.", record.session_id)
            await self._wait_for_slot(record.session_id)
            try:
                await self._threads.run(lambda: self._engine.run(job, lambda _: None, cancel), cancel)
            except SessionNotFound:
                log.info("The session was deleted before its avatar was prepared.")
            except EngineError as error:
                log.warning("The avatar could not be prepared: %s: %s", error.code, error.message)
            except Cancelled:
                log.info("The preparation was cancelled.")
            finally:
                self._free.release()

    async def _wait_for_slot(self, session_id: str) -> None:
        """While the session waits its record is kept alive, so that nobody takes it for lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PULSE_SECONDS):
                    await self._free.acquire()
                    return
            await asyncio.to_thread(self._beat, session_id)

    def _beat(self, session_id: str) -> None:
        changes = {"heartbeat": self._now()}
        try:
            self._engine.records.sessions.update(session_id, lambda old: old.model_copy(update=changes))
        except EngineError as error:
            log.warning("A waiting preparation's heartbeat failed: %s", error.message)
