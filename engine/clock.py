"""The clock of whoever is given no other, and the clocks that tell of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class Clocks:
    """How long it has been since the last look, by the clock that moved most: a snapshot stops the steady one."""

    def __init__(self, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._now = steady, wall
        self._last = steady(), wall()

    def passed(self) -> float:
        last, self._last = self._last, (self._now[0](), self._now[1]())
        return max(abs(now - before) for now, before in zip(self._last, last, strict=True))
