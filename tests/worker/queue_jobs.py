"""What RunPod's queue knows of its jobs: the state behind the stand-in, used in one event loop."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

JobStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})

T = TypeVar("T")


@dataclass(frozen=True)
class Post:
    """One thing that a worker sent to job-done, as it came."""

    at: float
    worker: str
    body: dict[str, Any]

    @property
    def is_progress(self) -> bool:
        return self.body.get("status") == "IN_PROGRESS"


@dataclass(frozen=True)
class Ping:
    """One sign of life; ``check`` and ``reason`` are set when the worker said that it is not fit."""

    at: float
    worker: str
    job_ids: tuple[str, ...]
    check: str | None
    reason: str | None


@dataclass
class QueuedJob:
    """A job from its submission on. Times are time.monotonic()."""

    id: str
    request: dict[str, Any]
    status: JobStatus = "IN_QUEUE"
    output: Any = None
    error: str | None = None
    worker: str | None = None
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    ended: float | None = None
    posts: list[Post] = field(default_factory=list)
    chunks: list[Any] = field(default_factory=list)
    handed_to: list[str] = field(default_factory=list)
    handed_at: list[float] = field(default_factory=list)

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def seconds_of(self, limit: str) -> float:
        """A limit of the client's policy, which it gives in milliseconds; 0 without one."""
        return float(self.request.get("policy", {}).get(limit, 0)) / 1000

    def for_worker(self) -> dict[str, Any]:
        """What job-take hands out: everything the client sent, and the id."""
        return {**self.request, "id": self.id}

    def for_client(self) -> dict[str, Any]:
        """What /status and /runsync answer."""
        view: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.output is not None:
            view["output"] = self.output
        if self.error is not None:
            view["error"] = self.error
        if self.worker is not None:
            view["workerId"] = self.worker
        if self.started is not None:
            view["delayTime"] = round((self.started - self.submitted) * 1000)
        if self.started is not None and self.ended is not None:
            view["executionTime"] = round((self.ended - self.started) * 1000)
        return view

    def hand_to(self, worker: str) -> dict[str, Any]:
        self.status, self.worker, self.started = "IN_PROGRESS", worker, time.monotonic()
        self.handed_to.append(worker)
        self.handed_at.append(self.started)
        return self.for_worker()

    def take_post(self, post: Post) -> None:
        """A late post of a job that has ended is kept, and changes nothing."""
        self.posts.append(post)
        if self.final:
            return
        if post.is_progress:
            self.output = post.body.get("output")
            return
        self.output, self.error = post.body.get("output"), post.body.get("error")
        self.end("FAILED" if self.error else "COMPLETED")

    def end(self, status: JobStatus) -> None:
        self.status, self.ended = status, time.monotonic()

    def requeue(self) -> None:
        """As the queue does with a lost job, and with a failed one on /retry: same id, same input."""
        self.status, self.output, self.error, self.worker = "IN_QUEUE", None, None, None
        self.started = self.ended = None


class QueueJobs:
    """All jobs of one endpoint, and who waits for a change of them. ``workers``: when each first asked for a job."""

    def __init__(self) -> None:
        self.jobs: dict[str, QueuedJob] = {}
        self.pings: list[Ping] = []
        self.workers: dict[str, float] = {}
        self.retried = 0
        self._stops: dict[str, list[str]] = {}
        self._polls = 0
        self._timers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()

    async def submit(self, request: dict[str, Any], prefix: str = "") -> QueuedJob:
        job = QueuedJob(f"{prefix}{uuid.uuid4()}-e1", request)
        self.jobs[job.id] = job
        if ttl := job.seconds_of("ttl"):
            self._timers.append(asyncio.create_task(self._remove(job, ttl)))
        await self._tell()
        return job

    async def take(self, worker: str, most: int, hold: float) -> list[dict[str, Any]]:
        """Up to ``most`` jobs for the worker, as soon as there is one; none after ``hold`` seconds."""
        self.workers.setdefault(worker, time.monotonic())
        await self._tell()
        begun = self._polls
        return await self._until(lambda: self._hand_out(worker, most) if begun == self._polls else [], hold) or []

    async def end_polls(self) -> None:
        """Nobody who asks for jobs at the moment gets any: their connections are gone."""
        self._polls += 1
        await self._tell()

    async def stops(self, worker: str, hold: float) -> list[str]:
        """The ids of jobs that the worker is to stop, as soon as there is one; none after ``hold`` seconds."""
        return await self._until(lambda: self._stops.pop(worker, None), hold) or []

    async def post(self, job: QueuedJob, worker: str, body: dict[str, Any]) -> None:
        job.take_post(Post(time.monotonic(), worker, body))
        await self._tell()

    async def refuse(self, job: QueuedJob) -> None:
        """A result over the limit is refused, and the job shows COMPLETED without an output."""
        job.output = None
        job.end("COMPLETED")
        await self._tell()

    async def end(self, job: QueuedJob, status: JobStatus, output: Any, error: str | None) -> None:
        job.output, job.error = output, error
        job.end(status)
        await self._tell()

    async def cancel(self, job: QueuedJob) -> None:
        await self._stop(job, "CANCELLED")

    async def requeue(self, job: QueuedJob) -> None:
        self.retried += 1
        job.requeue()
        await self._tell()

    async def ended(self, job: QueuedJob, hold: float) -> None:
        """Wait until the job has ended, at most ``hold`` seconds."""
        await self._until(lambda: job if job.final else None, hold)

    async def seen(self, worker: str, hold: float) -> bool:
        """Wait until the worker has asked for jobs, at most ``hold`` seconds."""
        return await self._until(lambda: worker in self.workers or None, hold) is not None

    def health(self) -> dict[str, dict[str, int]]:
        """The answer of /health."""
        statuses = [job.status for job in self.jobs.values()]
        busy = {job.worker for job in self.jobs.values() if job.status == "IN_PROGRESS"}
        idle = len(self.workers.keys() - busy)
        return {
            "jobs": {
                "completed": statuses.count("COMPLETED"),
                "failed": statuses.count("FAILED"),
                "inProgress": statuses.count("IN_PROGRESS"),
                "inQueue": statuses.count("IN_QUEUE"),
                "retried": self.retried,
            },
            "workers": {"idle": idle, "initializing": 0, "ready": idle, "running": len(busy), "throttled": 0},
        }

    def close(self) -> None:
        """No time runs out any more."""
        for timer in self._timers:
            timer.cancel()

    def _hand_out(self, worker: str, most: int) -> list[dict[str, Any]] | None:
        waiting = [job for job in self.jobs.values() if job.status == "IN_QUEUE"][:most]
        for job in waiting:
            if seconds := job.seconds_of("executionTimeout"):
                self._timers.append(asyncio.create_task(self._time_out(job, seconds)))
        return [job.hand_to(worker) for job in waiting] or None

    async def _time_out(self, job: QueuedJob, seconds: float) -> None:
        started = job.started
        await asyncio.sleep(seconds)
        if job.started == started:
            await self._stop(job, "TIMED_OUT")

    async def _remove(self, job: QueuedJob, seconds: float) -> None:
        """As RunPod does when a job's life is over, whether it runs or not."""
        await asyncio.sleep(seconds)
        await self._stop(job, "TIMED_OUT")
        self.jobs.pop(job.id, None)

    async def _stop(self, job: QueuedJob, status: JobStatus) -> None:
        if job.final:
            return
        if job.worker is not None:
            self._stops.setdefault(job.worker, []).append(job.id)
        job.output = None
        job.end(status)
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, found: Callable[[], T | None], seconds: float) -> T | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                while (value := found()) is None:
                    await self._changed.wait()
                return value
        return None
