"""How a job is told to stop: work in threads looks at this between its steps."""

from __future__ import annotations

import threading


class Cancelled(Exception):
    """Raised inside a job's own threads when its caller has cancelled it; never told to a caller."""


class CancelToken:
    """Set once from outside, looked at by every stage of a job between two steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled when the job has been cancelled."""
        if self._event.is_set():
            raise Cancelled
