"""Callers at work: each in a thread of its own, over the endpoint's HTTP API."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from bench.scaling.visits import Asked, Visit
from tests.worker.endpoint import Endpoint
from tests.worker.queue_jobs import FINAL

PATIENCE = 300.0
"""Seconds after which a caller takes a job for lost, and goes."""

LONGEST_WAIT = 20.0
"""Of one request, in seconds."""


class Callers:
    """Carries the visits out from when it is entered. Leaving it sends everyone away.

    acknowledged: the id of every job whose submission the endpoint has taken, as they come.
    """

    def __init__(self, endpoint: Endpoint, visits: Sequence[Visit], patience: float = PATIENCE) -> None:
        self._endpoint, self._visits, self._patience = endpoint, visits, patience
        self._gone = threading.Event()
        self._pool = ThreadPoolExecutor(max(1, len(visits)), thread_name_prefix="caller")
        self._visiting: list[Future[None]] = []
        self.acknowledged: list[str] = []

    def __enter__(self) -> Self:
        opens = time.monotonic()
        self._visiting = [self._pool.submit(self._visit, visit, opens) for visit in self._visits]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gone.set()
        self._pool.shutdown()

    def all_done(self) -> bool:
        """Whether every visit is over. Raises what went wrong with one: the endpoint refused what it was sent."""
        over = [visit for visit in self._visiting if visit.done()]
        for visit in over:
            visit.result()
        return len(over) == len(self._visiting)

    def _visit(self, visit: Visit, opens: float) -> None:
        self._gone.wait(max(0.0, opens + visit.begins - time.monotonic()))
        for asked in visit.jobs:
            if self._gone.wait(asked.pause) or not self._succeeds(asked):
                return

    def _succeeds(self, asked: Asked) -> bool:
        job_id = self._endpoint.run(asked.input)
        self.acknowledged.append(job_id)
        end = time.monotonic() + self._patience
        while not self._gone.is_set() and time.monotonic() < end:
            status = self._endpoint.waited(job_id, LONGEST_WAIT)["status"]
            if status in FINAL:
                return bool(status == "COMPLETED")
        return False
