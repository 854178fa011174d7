"""How a job is told to stop: work in threads looks at this between its steps."""

from __future__ import annotations

import threading


class Cancelled(Exception):
    """Raised inside a job's own threads when its caller has cancelled it; never told to a caller."""


class CancelToken:
    """Set once from outside, looked at by every stage of a job between two steps.

    A token ``within`` another is for a part of the job that can be stopped by itself: it is set when either is.
    """

    def __init__(self, within: CancelToken | None = None) -> None:
        self._event = threading.Event()
        self._within = within

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set() or (self._within is not None and self._within.cancelled)

    def check(self) -> None:
        """Raise Cancelled when the job has been cancelled."""
        if self.cancelled:
            raise Cancelled
