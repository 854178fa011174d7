"""Which of the servers that share a store are alive.

Each says so every few seconds. Times are compared as the store has noted them, so that no two clocks have to agree.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from engine.housekeeping.rules import REPLICAS
from engine.store.protocol import ObjectStore

BEAT_SECONDS = 3.0

SILENCE = timedelta(seconds=15)
"""Who has not been heard of for so long is dead, and others see to its jobs."""


@dataclass(frozen=True)
class Replica:
    """This server among those that share the store. ``name`` is of this run alone."""

    store: ObjectStore
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def _key(self) -> str:
        return f"{REPLICAS.prefix}{self.name}"

    def beat(self) -> frozenset[str]:
        """Say that this server is alive; the names of all that are. Blocks, and raises what the store raises."""
        self.store.put(self._key, b"")
        heard = {info.key.removeprefix(REPLICAS.prefix): info.modified for info in self.store.list(REPLICAS.prefix)}
        own = heard.get(self.name)
        if own is None:
            return frozenset({self.name, *heard})
        return frozenset(name for name, modified in heard.items() if own - modified < SILENCE)

    def leave(self) -> None:
        """Say that this server is gone: others may see to its jobs at once. Blocks."""
        self.store.delete(self._key)
