"""One sweep in progress: what fails in it is left behind, not the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from engine.cancel import CancelToken
from engine.errors import EngineError
from engine.outages import Outage

MOST_OUTAGES = 10

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Round:
    """Counts ``failures``. Raises Cancelled between two items when ``cancel`` says so."""

    def __init__(self, cancel: CancelToken) -> None:
        self.failures = 0
        self._cancel = cancel
        self._outages = 0

    def each(self, kind: str, items: Callable[[], Iterable[Item]], remove: Callable[[Item], bool]) -> int:
        """Have each of ``items`` removed, and return how many ``remove`` says went. All are listed first."""
        removed = 0
        with self.surviving(kind):
            for item in list(items()):
                self._cancel.check()
                with self.surviving(f"{kind} {item}"):
                    removed += remove(item)
        return removed

    @contextmanager
    def surviving(self, what: str) -> Iterator[None]:
        """Log and count an error of the block. When the store is away again and again its error ends the round."""
        self._cancel.check()
        try:
            yield
        except EngineError as error:
            if self._outages >= MOST_OUTAGES:
                raise
            self._outages += isinstance(error, Outage)
            self.failures += 1
            log.warning("%s: not swept: %s", what, error.message)
