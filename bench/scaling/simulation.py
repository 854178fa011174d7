"""An autoscaled endpoint on this machine, with callers: what was measured of it, and how it stands in a report."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.scaling.accounts import Accounts, settled
from bench.scaling.arrivals import Arrivals, Pattern, arrivals
from bench.scaling.callers import Callers
from bench.scaling.live_endpoint import Lived, LiveEndpoint, Look
from bench.scaling.measured import Measured, MeasuredJob, MeasuredRun
from bench.scaling.rule import Rule
from bench.scaling.visits import Habits, visits
from builder.default_avatar import build
from engine.settings import Settings
from tests.worker.endpoint import Endpoint
from tests.worker.queue_jobs import QueuedJob
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground

SHIPPED_CONCURRENCY = int(Settings.model_fields["max_concurrency"].default)
"""The workers get no MAX_CONCURRENCY, and so take as many jobs at a time."""


@dataclass(frozen=True)
class Workload:
    """Callers come for ``seconds``, by the pattern; each brings one of ``avatars``, of about ``side`` x ``side``."""

    seconds: float
    pattern: Pattern
    rule: Rule
    seed: int
    habits: Habits = field(default_factory=Habits)
    avatars: int = 4
    side: int = 256


@dataclass(frozen=True)
class Simulated:
    """What came of it. ``opened``, and all times of ``jobs``, ``looks`` and ``lived``, are monotonic seconds."""

    workload: Workload
    arrivals: Arrivals
    opened: float
    jobs: tuple[QueuedJob, ...]
    looks: tuple[Look, ...]
    lived: tuple[Lived, ...]
    accounts: Accounts

    @property
    def seconds(self) -> float:
        """From the opening to the last result."""
        return max((job.ended for job in self.jobs if job.ended is not None), default=self.opened) - self.opened

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds from each job's submission to its hand-out."""
        return tuple(job.started - job.submitted for job in self.jobs if job.started is not None)

    @property
    def cold_starts(self) -> tuple[float, ...]:
        return tuple(life.ready - life.started for life in self.lived if life.ready is not None)

    @property
    def paid(self) -> int:
        """Worker seconds: RunPod bills a worker from its start until it has fully stopped, rounded up to the second
        (docs.runpod.io/serverless/pricing)."""
        return sum(math.ceil(life.ended - life.started) for life in self.lived)

    @cached_property
    def done(self) -> tuple[MeasuredJob, ...]:
        """Every job that has a result."""
        completed = [job for job in self.jobs if job.status == "COMPLETED" and isinstance(job.output, dict)]
        return tuple(_measured(job, self.jobs) for job in completed)

    @property
    def video(self) -> float:
        """Seconds of all videos."""
        return sum(job.video for job in self.done)

    @property
    def drawing(self) -> float:
        """Seconds of drawing, of all videos."""
        return sum(job.gpu for job in self.done)

    @property
    def store_requests(self) -> int:
        return sum(life.store_requests for life in self.lived)

    def measured(self, machine: Sequence[str]) -> Measured:
        return Measured(
            jobs=self.done,
            cold_starts=tuple(round(seconds, 3) for seconds in self.cold_starts),
            concurrency=SHIPPED_CONCURRENCY,
            store_requests=self.store_requests,
            machine=tuple(machine),
            run=self._run(),
        )

    def _run(self) -> MeasuredRun:
        workload = self.workload
        return MeasuredRun(
            seconds=workload.seconds,
            pattern=workload.pattern,
            seed=workload.seed,
            habits=workload.habits,
            avatars=workload.avatars,
            rule=workload.rule,
            waits=tuple(round(seconds, 3) for seconds in self.waits),
            paid=self.paid,
        )


def simulate(workload: Workload) -> Simulated:
    """Serve the callers and let the endpoint shrink again; somewhat longer than the workload's seconds."""
    came = arrivals(workload.pattern, workload.seconds, workload.seed)
    with TemporaryDirectory() as folder, QueueStandIn() as queue:
        ground = Ground(Path(folder), Path(folder) / "avatars" / "0.mp4").make()
        planned = visits(came.at, _avatars(ground, workload), workload.habits, workload.seed)
        endpoint = Endpoint(queue)
        opened = time.monotonic()
        with LiveEndpoint(workload.rule, queue, ground) as live, Callers(endpoint, planned) as callers:
            live.serve(callers.all_done)
        endpoint.close()
        accounts = settled(callers.acknowledged, queue.jobs(), ground.stored())
        return Simulated(workload, came, opened, queue.jobs(), tuple(live.looks), tuple(live.lived), accounts)


def _avatars(ground: Ground, workload: Workload) -> list[str]:
    paths = [ground.avatars / f"{number}.mp4" for number in range(workload.avatars)]
    for number, path in enumerate(paths):
        build(path, workload.side, workload.side + 2 * number)
    return [str(path) for path in paths]


def _measured(job: QueuedJob, jobs: Sequence[QueuedJob]) -> MeasuredJob:
    assert job.started is not None
    assert job.ended is not None
    return MeasuredJob(
        action=job.request["input"].get("action", "generate"),
        service=round(job.ended - job.started, 3),
        video=float(job.output.get("duration", 0.0)),
        gpu=float(job.output.get("timings", {}).get("drawing", 0.0)),
        beside=sum(_was_there(other, job.worker, job.started) for other in jobs),
    )


def _was_there(job: QueuedJob, worker: str | None, at: float) -> bool:
    """Whether the worker had the job already at that time."""
    if job.worker != worker or job.started is None:
        return False
    return job.started < at and (job.ended is None or job.ended > at)
