"""What a course of the model comes to: waiting, cold starts, what is paid and what others must bear."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.scaling.modelled_endpoint import Course, Life, Served

PURCHASES = "generate"
"""The action that buys speech, once, as it begins."""


@dataclass(frozen=True)
class Waiting:
    """Seconds from a job's asking to its hand-out: of half of the jobs, of 95 and of 99 in 100 no more than these."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """Of one course.

    span: seconds from its beginning to its last result. paid: worker seconds, starts and idling included, each worker's
    rounded up as RunPod bills them. working: those in which a worker had a job. drawing: the device's seconds. video:
    seconds made. peak: most workers at once.
    """

    jobs: int
    span: float
    waiting: Waiting
    cold_starts: int
    paid: int
    working: float
    drawing: float
    video: float
    peak: int

    @property
    def drawing_share(self) -> float:
        return self.drawing / self.paid

    @property
    def working_share(self) -> float:
        return self.working / self.paid

    @property
    def cost(self) -> float:
        """Worker seconds paid for a second of video."""
        return self.paid / self.video

    @property
    def mean_workers(self) -> float:
        return self.paid / self.span


def figures(course: Course) -> Figures:
    """Of a course that served at least one job and made some video."""
    served, lives = course.served, course.lives
    return Figures(
        jobs=len(served),
        span=max(job.done for job in served),
        waiting=waits_of(job.wait for job in served),
        cold_starts=len(lives),
        paid=sum(math.ceil(life.ended - life.started) for life in lives),
        working=math.fsum(life.busy for life in lives),
        drawing=math.fsum(job.gpu for job in served),
        video=math.fsum(job.video for job in served),
        peak=most_workers(lives),
    )


def waits_of(seconds: Iterable[float]) -> Waiting:
    ordered = sorted(seconds)
    return Waiting(*(percentile(ordered, share) for share in (50, 95, 99)))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many in a hundred don't exceed (the nearest-rank percentile)."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def most_workers(lives: Iterable[Life]) -> int:
    return most_at_once((life.started, life.ended) for life in lives)


def purchases(served: Iterable[Served]) -> list[float]:
    """When speech was bought, in order."""
    return sorted(job.taken for job in served if job.action == PURCHASES)


def purchases_at_once(bought: Iterable[float], seconds: float) -> int:
    """The most purchases under way at a time, if each takes so many seconds."""
    return most_at_once((begins, begins + seconds) for begins in bought)


def busiest(times: Iterable[float], seconds: float) -> float:
    """Events a second, in that of the stretches of so many seconds, from the beginning, in which there were most."""
    return max(Counter(time // seconds for time in times).values()) / seconds


def most_at_once(stretches: Iterable[tuple[float, float]]) -> int:
    """How many stretches of time overlap at most; one that ends as another begins doesn't overlap it."""
    most = 0
    ends: list[float] = []
    for begins, until in sorted(stretches):
        while ends and ends[0] <= begins:
            heapq.heappop(ends)
        heapq.heappush(ends, until)
        most = max(most, len(ends))
    return most
