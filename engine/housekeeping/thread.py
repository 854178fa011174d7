"""Housekeeping in the background of a worker whose store is its own disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from random import SystemRandom

from engine.cancel import Cancelled, CancelToken
from engine.housekeeping.housekeeper import Housekeeper

FIRST_AFTER = timedelta(minutes=1)
EVERY = timedelta(hours=1)
LONGEST_STOP_SECONDS = 5.0

_RANDOM = SystemRandom()

log = logging.getLogger(__name__)


class HousekeepingThread:
    """Sweeps ``first_after`` the start and then ``every`` so often, each time up to a half earlier or later.

    clock: the time in UTC. uniform: a random number between two others, so that workers that start together don't
    sweep together.
    """

    def __init__(
        self,
        housekeeper: Housekeeper,
        every: timedelta = EVERY,
        clock: Callable[[], datetime] | None = None,
        first_after: timedelta = FIRST_AFTER,
        uniform: Callable[[float, float], float] = _RANDOM.uniform,
    ) -> None:
        self._housekeeper = housekeeper
        self._every = every
        self._clock = clock or housekeeper.clock
        self._first_after = first_after
        self._uniform = uniform
        self._cancel = CancelToken()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin, once."""
        self._thread.start()

    def stop(self) -> None:
        """End at once: a sweep that runs stops between two of its removals, which is safe anywhere."""
        self._cancel.cancel()
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(LONGEST_STOP_SECONDS)

    def _work(self) -> None:
        pause = self._first_after
        while not self._stopped.wait(pause.total_seconds() * self._uniform(0.5, 1.5)):
            self._sweep()
            pause = self._every

    def _sweep(self) -> None:
        try:
            swept = self._housekeeper.sweep(self._clock(), self._cancel)
        except Cancelled:
            return
        except Exception:
            # The outermost door of this thread: a defect must not end housekeeping for the worker's whole life.
            log.exception("The sweep failed. The next one tries again.")
        else:
            log.info("Swept: %s", swept)
