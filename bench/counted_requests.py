"""Any store, and how often it was asked for something."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.store.protocol import ObjectStore

ASK_NOTHING = frozenset({"url", "presign_put"})
"""Addresses are made without a request."""

WRITE, READ = "PUT and LIST", "GET and HEAD"
"""What stores charge for at the higher and at the lower price; DELETE costs nothing."""

_WRITES = frozenset({"put", "put_if_absent", "put_if_match", "upload", "list", "copy"})
_READS = frozenset({"get", "get_range", "download", "head"})


def billed(counts: Mapping[str, int]) -> Counter[str]:
    """What the calls are billed as, by kind."""
    kinds = {WRITE: _WRITES, READ: _READS}
    return Counter({kind: sum(counts.get(name, 0) for name in names) for kind, names in kinds.items()})


class CountedRequests:
    """Every other call counts as one request, as a bucket would bill it; uploads in parts would be some more."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    def since_last(self) -> Counter[str]:
        """By the name of the call."""
        with self._counting:
            counts, self._counts = self._counts, Counter()
        return counts

    def __getattr__(self, name: str) -> Any:
        if name not in ASK_NOTHING:
            with self._counting:
                self._counts[name] += 1
        return getattr(self._store, name)
