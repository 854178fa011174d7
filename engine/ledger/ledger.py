"""The ledger: an entry for each generation, and whoever wrote it counts it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.ledger.entry import Entry
from engine.ledger.usage import Counters
from engine.store.protocol import ObjectStore


@dataclass(frozen=True)
class Ledger:
    """Written to the service's own store, whatever bucket comes with a job."""

    store: ObjectStore
    counters: Counters

    @classmethod
    def of(cls, store: ObjectStore) -> Ledger:
        return cls(store, Counters(store))

    def write(self, entry: Entry) -> None:
        """Note the generation and count it, unless it was noted before. Raises what the store raises, and Overloaded.

        Who dies between the two leaves an entry that is not counted: the counters never say more than was made.
        """
        if self.store.put_if_absent(entry.key, entry.model_dump_json().encode(), "application/json") is not None:
            self.counters.add(entry)
