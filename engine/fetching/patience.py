"""How long an exchange over the network may still take, and whether anybody still wants it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.cancel import CancelToken

Clock = Callable[[], float]

SLICE_SECONDS = 0.1


@dataclass(frozen=True)
class Patience:
    """Cuts every wait into short slices, so that a cancel or the end of the time in all is seen at once.

    ``deadline`` is a reading of ``clock``, in seconds.
    """

    clock: Clock = time.monotonic
    deadline: float = math.inf
    cancel: CancelToken | None = None

    @property
    def exhausted(self) -> bool:
        return self.clock() >= self.deadline

    def slices(self, timeout: float | None) -> Iterator[float]:
        """Lengths of the waits, in seconds, until ``timeout`` or the deadline; Cancelled as soon as it is so."""
        until = self.deadline if timeout is None else min(self.deadline, self.clock() + timeout)
        while True:
            if self.cancel is not None:
                self.cancel.check()
            left = until - self.clock()
            if left <= 0:
                return
            yield min(left, SLICE_SECONDS)
