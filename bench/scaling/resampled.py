"""Times for the model from those that were measured: drawn with a seed, or in their order."""

from __future__ import annotations

from collections import defaultdict
from itertools import cycle
from random import Random

from bench.scaling.measured import Measured, MeasuredJob


class Resampled:
    """Each draw is one of the measured jobs, with its video and device's seconds, or one of the measured starts.

    A job beside others is drawn from those of its action that were handed out beside as many, or as nearly as many as
    there are. Raises KeyError for an action that was not measured, and ValueError where no start was.
    """

    def __init__(self, measured: Measured, seed: str) -> None:
        if not measured.cold_starts:
            raise ValueError("no cold start was measured")
        self._random = Random(seed)
        self._cold_starts = measured.cold_starts
        self._jobs: dict[str, dict[int, list[MeasuredJob]]] = {}
        for job in measured.jobs:
            self._jobs.setdefault(job.action, defaultdict(list))[job.beside].append(job)

    def job(self, action: str, beside: int) -> MeasuredJob:
        by_beside = self._jobs[action]
        nearest = beside if beside in by_beside else min(by_beside, key=lambda each: (abs(each - beside), each))
        return self._random.choice(by_beside[nearest])

    def cold_start(self) -> float:
        return self._random.choice(self._cold_starts)


class InOrder:
    """The measured times themselves: the first job of an action takes as long as the first one measured, and so on.

    After the last comes the first again. It keeps what drawing loses: that jobs are slow together.
    """

    def __init__(self, measured: Measured) -> None:
        actions = {job.action for job in measured.jobs}
        self._jobs = {name: cycle([job for job in measured.jobs if job.action == name]) for name in actions}
        self._cold_starts = cycle(measured.cold_starts)

    def job(self, action: str, beside: int) -> MeasuredJob:
        return next(self._jobs[action])

    def cold_start(self) -> float:
        return next(self._cold_starts)
