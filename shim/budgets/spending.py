"""What was spent today, as the store has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from engine.ledger.usage import Counters, Usage, day_folder, parse_day
from engine.store.protocol import ObjectStore

SECONDS_KEPT = 3.0
"""How old what a budget is held against may be, as far as other replicas are concerned."""

_MOST_KEPT = 10_000


@dataclass(frozen=True)
class _Known:
    usage: Usage
    read: float


class Spending:
    """Reads of every owner at most once in SECONDS_KEPT, and never while nobody asks for a video.

    ``now``: the time in UTC. ``clock``: seconds that never run backwards. For any thread; every method but ``forget``
    blocks and raises what the store raises.
    """

    def __init__(
        self, store: ObjectStore, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._counters = Counters(store)
        self._now = now
        self._clock = clock
        self._known: dict[tuple[date, str | None], _Known] = {}
        self._total = Total(store)
        self._total_known: tuple[date, _Known] | None = None

    def of(self, owner: str | None) -> Usage:
        """What the owner has used today."""
        key = (self._today(), owner)
        known = self._known.get(key)
        if known is None or self._clock() - known.read > SECONDS_KEPT:
            began = self._clock()
            known = _Known(self._counters.day(*key), began)
            self._make_room()
            self._known[key] = known
        return known.usage

    def total(self) -> Usage:
        """What all together have used today."""
        today, known = self._today(), self._total_known
        if known is None or known[0] != today or self._clock() - known[1].read > SECONDS_KEPT:
            began = self._clock()
            known = self._total_known = (today, _Known(self._total.of(today), began))
        return known[1].usage

    def forget(self, owner: str | None) -> None:
        """The owner has spent more: the next who asks has it read anew."""
        self._known.pop((self._today(), owner), None)
        self._total_known = None

    def _make_room(self) -> None:
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()

    def _today(self) -> date:
        return self._now().astimezone(UTC).date()


class Total:
    """Adds up the counters of a day, and reads only those again that have changed."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, tuple[str, Usage]] = {}

    def of(self, day: date) -> Usage:
        listed = {info.key: info.etag for info in self._store.list(day_folder(day))}
        read = {key: self._usage(key, etag) for key, etag in listed.items()}
        self._read = read
        return sum((usage for _, usage in read.values()), Usage())

    def _usage(self, key: str, etag: str) -> tuple[str, Usage]:
        known = self._read.get(key)
        if known is not None and known[0] == etag:
            return known
        found = self._store.get(key)
        return (etag, Usage()) if found is None else (found.info.etag, parse_day(found).usage)
