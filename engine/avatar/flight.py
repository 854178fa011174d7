"""Work that several jobs of one process ask for at the same time and that is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.cancel import CancelToken
from engine.errors import InputError

T = TypeVar("T")
StageProgress = Callable[[str, float], None]
"""Told the stage that runs and the share of the whole work that is done, 0 to 1."""

POLL_SECONDS = 0.05


@dataclass
class _Flight(Generic[T]):
    """One piece of work under way. ``ended`` without result or error: it was given up."""

    ended: threading.Event = field(default_factory=threading.Event)
    latest: tuple[str, float] | None = None
    result: T | None = None
    error: InputError | None = None


class SharedWork(Generic[T]):
    """Does the work of a key once for all who ask while it runs.

    The first to ask works in its own thread; the others wait and are told the same progress. They share the
    result, and the error where it lies in the input. When the worker is cancelled or fails for another reason,
    one of those who wait begins anew.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}
        self._guard = threading.Lock()

    def do(self, key: str, work: Callable[[StageProgress], T], progress: StageProgress, cancel: CancelToken) -> T:
        """Raises what ``work`` raises, and Cancelled when the one who asks here is cancelled."""
        while True:
            cancel.check()
            flight, first = self._join(key)
            if first:
                return self._lead(key, flight, work, progress)
            self._wait(flight, progress, cancel)
            if flight.error is not None:
                raise type(flight.error)(flight.error.message)
            if flight.result is not None:
                return flight.result

    def _join(self, key: str) -> tuple[_Flight[T], bool]:
        with self._guard:
            first = key not in self._flights
            return self._flights.setdefault(key, _Flight()), first

    def _lead(self, key: str, flight: _Flight[T], work: Callable[[StageProgress], T], progress: StageProgress) -> T:
        def told(stage: str, share: float) -> None:
            flight.latest = (stage, share)
            progress(stage, share)

        try:
            flight.result = work(told)
            return flight.result
        except InputError as error:
            flight.error = error
            raise
        finally:
            with self._guard:
                del self._flights[key]
            flight.ended.set()

    @staticmethod
    def _wait(flight: _Flight[T], progress: StageProgress, cancel: CancelToken) -> None:
        told = None
        while not flight.ended.wait(POLL_SECONDS):
            cancel.check()
            if flight.latest is not None and flight.latest != told:
                told = flight.latest
                progress(*told)
