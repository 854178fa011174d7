"""Callers at work: each in a thread of its own, over the endpoint's HTTP API."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.chaos.accounts import told_error
from tests.chaos.visits import Asked, Visit
from tests.worker.endpoint import Endpoint
from tests.worker.queue_jobs import FINAL

LONGEST_WAIT = 5.0
"""Of one request, in seconds."""


@dataclass
class Acknowledged:
    """A job that the endpoint has taken. cancelled: its caller has asked for that. retried: so often."""

    job_id: str
    asked: Asked
    cancelled: bool = False
    retried: int = 0


@dataclass
class Callers:
    """Carries the visits out from when it is entered; leaving it sends everyone away.

    acknowledged: as they come. As the REST server does, a caller has a job that failed retryably tried once more.
    """

    endpoint: Endpoint
    visits: Sequence[Visit]
    acknowledged: list[Acknowledged] = field(default_factory=list)
    _visiting: list[Future[None]] = field(default_factory=list)
    _gone: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        opens = time.monotonic()
        self._pool = ThreadPoolExecutor(max(1, len(self.visits)), thread_name_prefix="caller")
        self._visiting = [self._pool.submit(self._visit, visit, opens) for visit in self.visits]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gone.set()
        self._pool.shutdown()

    def all_done(self) -> bool:
        """Whether everyone has what he came for. Raises what went wrong with one."""
        over = [visit for visit in self._visiting if visit.done()]
        for visit in over:
            visit.result()
        return len(over) == len(self._visiting)

    def _visit(self, visit: Visit, opens: float) -> None:
        self._gone.wait(max(0.0, opens + visit.begins - time.monotonic()))
        open_jobs: list[Acknowledged] = []
        for asked in visit.jobs:
            if asked.waits:
                self._see_out(open_jobs)
                open_jobs = []
            self._gone.wait(asked.pause)
            if self._gone.is_set():
                return
            open_jobs += self._submit(asked)
        self._see_out(open_jobs)

    def _submit(self, asked: Asked) -> list[Acknowledged]:
        jobs = [Acknowledged(self.endpoint.run(asked.input), asked) for _ in range(asked.copies)]
        self.acknowledged += jobs
        if asked.cancel_after is not None:
            self._gone.wait(asked.cancel_after)
            for job in jobs:
                job.cancelled = True
                self.endpoint.cancel(job.job_id)
        return jobs

    def _see_out(self, jobs: Sequence[Acknowledged]) -> None:
        for job in jobs:
            while self._retries(job, self._ended(job)):
                pass

    def _ended(self, job: Acknowledged) -> dict[str, Any]:
        while not self._gone.is_set():
            answer = self.endpoint.waited(job.job_id, LONGEST_WAIT)
            if answer["status"] in FINAL:
                return answer
        return {}

    def _retries(self, job: Acknowledged, answer: dict[str, Any]) -> bool:
        error = told_error(answer.get("error")) or {}
        if job.retried or answer.get("status") != "FAILED" or not error.get("retryable"):
            return False
        with suppress(ValueError):
            self.endpoint.retry(job.job_id)
        job.retried += 1
        return True
