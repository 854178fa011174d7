"""How long an operation of the store may go on, and how it is tried again until then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar

from engine.outages import StorageUnavailable

Result = TypeVar("Result")


class NoAnswer(StorageUnavailable):
    """A request that failed in a way that the next attempt may not."""


@dataclass(frozen=True)
class Patience:
    """Limits in seconds.

    No attempt starts later than ``operation`` after its operation's start: a part of a large transfer counts as an
    operation, and ``transfer`` limits them all. ``connect`` and ``read`` limit each wait for the network, so that the
    last attempt ends soon after.
    """

    operation: float = 45.0
    transfer: float = 900.0
    connect: float = 5.0
    read: float = 20.0
    first_pause: float = 0.1
    longest_pause: float = 5.0


class Deadline:
    """A moment on the machine's steady clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self._end - time.monotonic()

    def within(self, seconds: float) -> Deadline:
        """The earlier of this moment and ``seconds`` from now."""
        return Deadline(min(seconds, self.left))

    def check(self) -> None:
        if self.left <= 0:
            raise StorageUnavailable("The object store is too slow to answer in time. Try again later.")


def persist(attempt: Callable[[], Result], patience: Patience, deadline: Deadline) -> Result:
    """What ``attempt`` returns, called again after each NoAnswer, with growing uneven pauses, until the deadline."""
    longest = patience.first_pause
    while True:
        try:
            return attempt()
        except NoAnswer:
            pause = SystemRandom().uniform(longest / 2, longest)
            if pause >= deadline.left:
                raise
        time.sleep(pause)
        longest = min(2 * longest, patience.longest_pause)
