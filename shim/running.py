"""Which jobs run in this process, which wait for a place, and how to stop them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from engine.cancel import CancelToken
from engine.outages import Interrupted, Overloaded

RETRY_AFTER_SECONDS = 30


@dataclass(frozen=True)
class RunningJob:
    job_id: str
    session_id: str
    cancel: CancelToken = field(default_factory=CancelToken)


@dataclass(frozen=True)
class WaitingJob:
    """A job in the line. ``place`` is set when its turn comes. ``who``: whose it is, as far as that is told."""

    job: RunningJob
    place: asyncio.Future[None]
    who: str | None = None


@dataclass
class RunningJobs:
    """At most ``slots`` jobs at a time, and ``most_waiting`` in a line. Used in the event loop's thread alone."""

    slots: int
    most_waiting: int = 0
    _jobs: dict[str, RunningJob] = field(default_factory=dict)
    _line: list[WaitingJob] = field(default_factory=list)

    @contextmanager
    def slot(self, job_id: str, session_id: str) -> Iterator[RunningJob]:
        """The job runs until the block is left. Raises Overloaded when no slot is free, or it runs already."""
        self._demand_new(job_id)
        if len(self._jobs) >= self.slots:
            raise Overloaded(f"All {self.slots} places for making videos are taken. Try again in a few seconds.")
        job = self._jobs[job_id] = RunningJob(job_id, session_id)
        try:
            yield job
        finally:
            self._leave(job)

    def demand_room(self, who: str | None = None) -> None:
        """Raises Overloaded when as many jobs wait as may, or as many as may of whom ``who`` names: of a long line, a
        quarter is for others."""
        share = self.most_waiting - self.most_waiting // 4
        if who is not None and sum(waiting.who == who for waiting in self._line) >= share:
            raise Overloaded(
                f"{share} of your videos are waiting to be made, and no more may. Try again in a minute.",
                RETRY_AFTER_SECONDS,
            )
        if len(self._line) >= self.most_waiting:
            raise Overloaded(
                f"{self.most_waiting} videos are waiting to be made, and no more may. Try again in a minute.",
                RETRY_AFTER_SECONDS,
            )

    def line_up(self, job_id: str, session_id: str, who: str | None = None) -> WaitingJob:
        """The job at the end of the line, where it stays until ``turn`` takes it. Raises Overloaded when it runs."""
        self._demand_new(job_id)
        waiting = WaitingJob(RunningJob(job_id, session_id), asyncio.get_running_loop().create_future(), who)
        self._line.append(waiting)
        self._call_up()
        return waiting

    def position(self, waiting: WaitingJob) -> int | None:
        """Its number in the line, from 1; None once it has its turn, or is gone."""
        return self._line.index(waiting) + 1 if waiting in self._line else None

    @asynccontextmanager
    async def turn(self, waiting: WaitingJob) -> AsyncIterator[RunningJob]:
        """The job runs from its turn until the block is left. Raises Interrupted when it is cancelled before."""
        try:
            await waiting.place
            yield waiting.job
        finally:
            self._leave(waiting.job)

    def cancel(self, job_id: str) -> None:
        self._cancel([job for job in self._all() if job.job_id == job_id])

    def cancel_session(self, session_id: str) -> None:
        self._cancel([job for job in self._all() if job.session_id == session_id])

    def cancel_all(self) -> None:
        self._cancel(self._all())

    def counts(self) -> dict[str, int]:
        """How many jobs run and how many wait, in the words of an endpoint's queue."""
        return {"in_progress": len(self._jobs), "in_queue": len(self._line)}

    def _all(self) -> list[RunningJob]:
        return [*self._jobs.values(), *(waiting.job for waiting in self._line)]

    def _cancel(self, jobs: list[RunningJob]) -> None:
        for job in jobs:
            job.cancel.cancel()
        for waiting in [waiting for waiting in self._line if waiting.job in jobs]:
            self._line.remove(waiting)
            if not waiting.place.done():
                waiting.place.set_exception(Interrupted("The video was cancelled. Ask for it again."))

    def _demand_new(self, job_id: str) -> None:
        if any(job.job_id == job_id for job in self._all()):
            raise Overloaded("This video is being made already. Ask for it again when it is done.")

    def _leave(self, job: RunningJob) -> None:
        if self._jobs.get(job.job_id) is job:
            del self._jobs[job.job_id]
        self._line = [waiting for waiting in self._line if waiting.job is not job]
        self._call_up()

    def _call_up(self) -> None:
        """Nobody who comes later takes a place before the line."""
        while self._line and len(self._jobs) < self.slots:
            waiting = self._line.pop(0)
            if not waiting.place.done():
                self._jobs[waiting.job.job_id] = waiting.job
                waiting.place.set_result(None)
