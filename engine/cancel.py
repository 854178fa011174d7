"""How a job is told to stop: work in threads looks at this between its steps."""

from __future__ import annotations

import threading
import time


class Cancelled(Exception):
    """Raised inside a job's own threads when its caller has cancelled it; never told to a caller."""


class CancelToken:
    """Set once from outside, looked at by every stage of a job between two steps.

    A token ``within`` another is for a part of the job that can be stopped by itself: it is set when either is.
    ``moved``: when the job last took a step, on the machine's steady clock.
    """

    def __init__(self, within: CancelToken | None = None) -> None:
        self._event = threading.Event()
        self._within = within
        self.moved = time.monotonic()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set() or (self._within is not None and self._within.cancelled)

    def check(self) -> None:
        """Between two steps: the job moves. Raise Cancelled when it has been cancelled."""
        self.step()
        self.check_waiting()

    def check_waiting(self) -> None:
        """As ``check``, while the job waits for something that may hang: no step is taken."""
        if self.cancelled:
            raise Cancelled

    def step(self) -> None:
        """The job moves."""
        self.moved = time.monotonic()
        if self._within is not None:
            self._within.step()
