"""What a process that died has left unfinished: preparations are begun again, jobs are ended.

Whoever is at work says so in the record every few seconds. So a record that stays silent for long enough is nobody's,
also where several processes share a store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import EngineError
from engine.outages import Interrupted, PreparationInterrupted
from engine.records import JobRecord, Records, SessionRecord
from engine.sessions import PULSE_SECONDS

SILENCE = timedelta(seconds=5 * PULSE_SECONDS)
LOOK_SECONDS = 1.0
MOST_TRIES = 2
"""How often a preparation is begun again: one that ends its process each time has to end itself."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unfinished:
    """The ids of sessions and jobs that are said to be at work."""

    sessions: frozenset[str]
    jobs: frozenset[str]


class Recovery:
    """``prepare`` begins a session's preparation; it is called in the event loop's thread.

    kept: ids of jobs that others take up again. It blocks, and raises what the store raises.
    """

    def __init__(
        self,
        records: Records,
        prepare: Callable[[SessionRecord], None],
        now: Callable[[], datetime],
        kept: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._records = records
        self._prepare = prepare
        self._now = now
        self._kept = kept

    async def run(self) -> None:
        """Settle what is unfinished at this moment; what this process begins meanwhile is at work, and left alone."""
        while True:
            try:
                left = await asyncio.to_thread(self.unfinished)
            except EngineError as error:
                log.warning("What the last process left can't be read yet: %s", error.message)
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return await self.settle(left)

    def unfinished(self) -> Unfinished:
        """Reads every record. Raises what the store raises."""
        sessions = (record.session_id for record in self._records.sessions.list() if record.status == "preparing")
        jobs = frozenset(record.job_id for record in self._records.jobs.list() if record.state == "running")
        return Unfinished(frozenset(sessions), jobs - self._kept())

    async def settle(self, left: Unfinished) -> None:
        """Return when none of ``left`` is unfinished, or all that are have others at work."""
        while left.sessions or left.jobs:
            left = await self._look(left)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, left: Unfinished) -> Unfinished:
        try:
            sessions = {name for name in left.sessions if not await self._session_is_settled(name)}
            jobs = {name for name in left.jobs if not await asyncio.to_thread(self._job_is_settled, name)}
        except EngineError as error:
            log.warning("What the last process left could not be looked at: %s", error.message)
            return left
        return Unfinished(frozenset(sessions), frozenset(jobs))

    async def _session_is_settled(self, session_id: str) -> bool:
        record = await asyncio.to_thread(self._records.sessions.get, session_id)
        if record is None or record.status != "preparing":
            return True
        if self._is_at_work(record):
            return False
        taken = await asyncio.to_thread(self._take, record)
        if taken is not None and taken.status == "preparing":
            log.info("The preparation of session %s was interrupted and begins again.", session_id)
            self._prepare(taken)
        return True

    def _take(self, silent: SessionRecord) -> SessionRecord | None:
        """The record with its preparation counted anew or given up; None when somebody else was faster."""
        counted = {"resubmissions": silent.resubmissions + 1, "heartbeat": self._now()}
        changes = counted if silent.resubmissions < MOST_TRIES else _given_up()
        wanted = silent.model_copy(update=changes)
        found = self._records.sessions.update(
            silent.session_id, lambda old: wanted if old.heartbeat == silent.heartbeat else old
        )
        return found if found is not None and found.heartbeat == wanted.heartbeat else None

    def _job_is_settled(self, job_id: str) -> bool:
        record = self._records.jobs.get(job_id)
        if record is None or record.state != "running":
            return True
        if self._is_at_work(record):
            return False
        log.info("Job %s was interrupted.", job_id)
        ended = record.model_copy(update=_interrupted())
        self._records.jobs.update(job_id, lambda old: ended if old.heartbeat == record.heartbeat else old)
        return True

    def _is_at_work(self, record: SessionRecord | JobRecord) -> bool:
        return self._now() - record.heartbeat < SILENCE


def _given_up() -> dict[str, object]:
    return {
        "status": "error",
        "message": "The preparation of the avatar was interrupted again and again. Try another video.",
        "error_code": PreparationInterrupted.code,
        "retryable": False,
    }


def _interrupted() -> dict[str, object]:
    error = Interrupted("The server stopped while it made the video. Ask for it again.")
    return {"state": "failed", "error": {"code": error.code, "message": error.message, "retryable": error.retryable}}
