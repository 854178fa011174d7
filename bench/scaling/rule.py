"""The rule by which an endpoint starts and ends workers: RunPod's QUEUE_DELAY scaler, and its idle timeout.

Source: docs.runpod.io/serverless/endpoints/endpoint-configurations: "Workers are added if requests spend more than X
seconds in the queue", 4 by default, and "with zero workers initially, the first request adds one worker". A worker
"continues running after completing a request" for the idle timeout, 5 s by default. How many workers are added at a
time is not said there: here it is one for every job that has waited too long. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``queue_delay``: a job that has waited so long calls for one more worker; where there are none, the first job
    does at once. ``idle``: how long a worker without work is kept. Of workers there are always ``least``, and never
    more than ``most``."""

    queue_delay: float = 4.0
    idle: float = 5.0
    least: int = 0
    most: int = 3

    def to_start(self, waits: Sequence[float], starting: int, workers: int) -> int:
        """How many workers to start now.

        waits: how long each queued job has waited. starting: the workers of ``workers`` that take no jobs yet; each of
        them is taken for the answer to one job.
        """
        overdue = sum(wait >= self.queue_delay for wait in waits)
        called_for = max(overdue - starting, 0 if workers or not waits else 1)
        return max(self.least - workers, min(called_for, self.most - workers), 0)

    def may_end(self, idle_for: float, workers: int) -> bool:
        """Whether a worker that has had no work for so long is ended."""
        return idle_for >= self.idle and workers > self.least
