"""Which jobs the queue takes for lost: nobody says any more that he is at them. RunPod hands such jobs out again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.worker.queue_jobs import Ping, QueuedJob

GIVEN_UP = "job lost too often"


@dataclass
class Losses:
    """``after``: seconds for which a job's worker doesn't name it in its pings. most: a job that was handed out so
    often and is lost again fails, by the queue's own word. Times are monotonic."""

    after: float
    most: int = 8
    _named: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, ping: Ping) -> None:
        """A worker has said which jobs it is at."""
        for job_id in ping.job_ids:
            self._named[ping.worker, job_id] = ping.at

    def among(self, jobs: Iterable[QueuedJob]) -> list[QueuedJob]:
        """Those that are lost by now."""
        now = time.monotonic()
        return [job for job in jobs if job.status == "IN_PROGRESS" and now - self._heard(job) > self.after]

    def _heard(self, job: QueuedJob) -> float:
        assert job.worker is not None
        assert job.started is not None
        return max(job.started, self._named.get((job.worker, job.id), 0.0))
