"""Which jobs are this server's to see to, besides those that it has accepted: what dead servers have left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import EngineError, InternalError
from engine.records import Records
from shim.jobs.accepted import AcceptedJobs, Unfinished
from shim.jobs.record import AcceptedJob
from shim.jobs.replicas import BEAT_SECONDS, Replica

NEVER_ACCEPTED = timedelta(minutes=5)
"""How long an acceptance takes at most: what is older and has no job was left by a server that died."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looking:
    """What looking for jobs takes. is_here: whether this server is at a job. go_on: has it see to one.

    beat_seconds: between two looks, and between two signs of life.
    """

    accepted: AcceptedJobs
    records: Records
    replica: Replica
    is_here: Callable[[str], bool]
    go_on: Callable[[AcceptedJob], object]
    now: Callable[[], datetime]
    beat_seconds: float = BEAT_SECONDS


class LeftJobs:
    """Used in one event loop."""

    def __init__(self, looking: Looking) -> None:
        self._with = looking
        self._alive: frozenset[str] = frozenset()
        self._others: dict[str, str] = {}
        self._rounds: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._rounds = [
            asyncio.create_task(self._again_and_again(self._beat), name="signs of life"),
            asyncio.create_task(self._again_and_again(self._look), name="jobs left"),
        ]

    async def stop(self) -> None:
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)

    async def demand_alive(self) -> None:
        """See to it that the other servers know of this one before a job is its own. Raises what the store raises."""
        if not self._alive:
            await self._beat()

    async def _beat(self) -> None:
        self._alive = await asyncio.to_thread(self._with.replica.beat)

    async def _look(self) -> None:
        """Take over what nobody sees to. A job whose holder is known to live is not read again."""
        await self.demand_alive()
        left = await asyncio.to_thread(lambda: list(self._with.accepted.unfinished()))
        ids = {each.job_id for each in left}
        self._others = {job_id: holder for job_id, holder in self._others.items() if job_id in ids}
        for each in left:
            if not self._with.is_here(each.job_id) and self._others.get(each.job_id) not in self._alive:
                await self._look_at_one(each)

    async def _look_at_one(self, left: Unfinished) -> None:
        """One that can't be read keeps nobody from the others."""
        try:
            await self._look_at(left)
        except InternalError as error:
            log.error("Job %s can't be gone on with: %s", left.job_id, error.message)

    async def _look_at(self, left: Unfinished) -> None:
        job = await asyncio.to_thread(self._with.accepted.get, left.job_id)
        if job is None:
            moment = self._with.now() - NEVER_ACCEPTED
            await asyncio.to_thread(self._with.accepted.forget_if_never_accepted, left, moment)
        elif await self._is_seen_to(job):
            self._others[job.job_id] = job.holder
        elif not self._with.is_here(job.job_id):
            taken = await asyncio.to_thread(self._take_over, job)
            if taken is not None and not self._with.is_here(taken.job_id):
                log.info("Job %s was left by its server and goes on here.", job.job_id)
                self._with.go_on(taken)

    async def _is_seen_to(self, job: AcceptedJob) -> bool:
        """Whether another server is at it: one that is not known yet may only just have begun to live."""
        if job.holder not in self._alive:
            await self._beat()
        return job.holder in self._alive and job.holder != self._with.replica.name

    def _take_over(self, left: AcceptedJob) -> AcceptedJob | None:
        """The job with this server as its holder; None when another one was faster. Blocks."""
        record = self._with.records.jobs.get(left.job_id)
        # A job that the queue has isn't lost with a server.
        lost = left.is_open and left.queue_id is None and record is not None and record.state == "running"
        name = self._with.replica.name
        changes = {"holder": name, "lost": left.lost + lost}
        found = self._with.accepted.change(
            left.job_id, lambda old: old.model_copy(update=changes) if old.holder == left.holder else old
        )
        return found if found is not None and found.holder == name else None

    async def _again_and_again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except EngineError as error:
                log.warning("The jobs that are left could not be looked at: %s", error.message)
            await asyncio.sleep(self._with.beat_seconds)
