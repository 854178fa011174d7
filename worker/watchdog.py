"""A worker that hangs ends itself: RunPod's heartbeat is another process, and would call it healthy for ever."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.cancel import CancelToken
from engine.generation import DRAWING
from engine.stall_settings import StallSettings
from worker.progress import Report, Update

LOOK_SECONDS = 1.0

HUNG = 70
"""The exit code of a worker that has ended itself."""

logger = logging.getLogger(__name__)


@dataclass
class Watched:
    """A job at work, by its token, and the stage that it last told of."""

    job_id: str
    cancel: CancelToken
    stage: str = "starting"


class Watchdog:
    """Looks at every job of the worker once a second, from a thread of its own.

    limits: seconds that a job in a stage may go without a step; 0 is for ever. end: ends the process.
    """

    def __init__(
        self, limits: StallSettings, end: Callable[[], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._end = end
        self._now = now
        self._watched: dict[int, Watched] = {}
        self._looked = now()

    def start(self) -> None:
        threading.Thread(target=self._work, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self, job_id: str, cancel: CancelToken, report: Report) -> Iterator[Report]:
        """Watch the job for the block; yields ``report``, by which its stage is noticed too."""
        watched = Watched(job_id, cancel)

        def noticed(update: Update) -> None:
            watched.stage = str(update.get("stage") or watched.stage)
            cancel.step()
            report(update)

        self._watched[id(watched)] = watched
        try:
            yield noticed
        finally:
            del self._watched[id(watched)]

    def look(self) -> None:
        """End the process if a job hangs."""
        now, before = self._now(), self._looked
        self._looked = now
        if now - before > 5 * LOOK_SECONDS:
            # The whole process stood still, its jobs too: they go on now.
            for watched in list(self._watched.values()):
                watched.cancel.step()
            return
        for watched in list(self._watched.values()):
            still, limit = now - watched.cancel.moved, self._limit(watched.stage)
            if limit and still > limit:
                logger.error("The job %s hangs in '%s' for %.0f s.", watched.job_id, watched.stage, still)
                self._end()
                return

    def _limit(self, stage: str) -> float:
        return self._limits.drawing_stall_seconds if stage == DRAWING else self._limits.stall_seconds

    def _work(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()


def end_process() -> None:
    """End at once, with the heartbeat's process, and leave in the log where every thread stood."""
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(HUNG)
