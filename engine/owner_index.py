"""What every owner has, newest first, so that a page of it costs one listing: names in the store in that very order.

    owners/{owner}/{kind}/{time}-{id}      an empty object; {time} runs backwards

An entry is written before the thing that it names, and removed after it. So there may be entries of things that are
not there: readers skip them, and who comes across one that is older than GRACE removes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.owners import owner_folder
from engine.store.protocol import ObjectStore

FOLDER = "owners"

GRACE = timedelta(hours=1)
"""Longer than anybody takes between an entry and its thing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 10**16 - 1
_KEY = re.compile(rf"{FOLDER}/[a-z0-9]+/([a-z]+)/([0-9]{{16}})-([A-Za-z0-9_-]{{1,64}})")
_PLACE = re.compile(r"[0-9]{16}-[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Entry:
    """An entry at ``key``: that something of its kind with this id was made then."""

    key: str
    kind: str
    thing_id: str
    created: datetime

    @classmethod
    def of(cls, kind: str, owner: str | None, thing_id: str, created: datetime) -> Entry:
        passed = (created - _EPOCH) // timedelta(microseconds=1)
        return cls(f"{_folder(kind, owner)}{_LAST - passed:016}-{thing_id}", kind, thing_id, created)

    @classmethod
    def at(cls, key: str) -> Entry | None:
        """The entry with this key; None for another object."""
        found = _KEY.fullmatch(key)
        if found is None:
            return None
        created = _EPOCH + timedelta(microseconds=_LAST - int(found[2]))
        return cls(key, found[1], found[3], created)

    @property
    def place(self) -> str:
        """Where it stands among its owner's: what the page after it begins behind."""
        return self.key.rpartition("/")[2]

    def is_settled(self, now: datetime) -> bool:
        """Whether its thing, if it isn't there, will never be."""
        return now - self.created > GRACE


def is_place(text: str) -> bool:
    """Whether an entry may stand there."""
    return _PLACE.fullmatch(text) is not None


class OwnerIndex:
    """The entries of one store. Every method raises what the store raises."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def add(self, entry: Entry) -> None:
        self._store.put(entry.key, b"")

    def remove(self, entry: Entry) -> None:
        self._store.delete(entry.key)

    def page(self, kind: str, owner: str | None, after: str | None, limit: int) -> list[Entry]:
        """The owner's next ``limit`` entries, newest first; ``after``: behind this place, None from the newest on."""
        folder = _folder(kind, owner)
        found = self._store.list(folder, "" if after is None else folder + after, limit)
        return [entry for info in found if (entry := Entry.at(info.key)) is not None]

    def everybodys(self) -> Iterator[Entry]:
        """Every entry of every owner."""
        listed = self._store.list(f"{FOLDER}/")
        return (entry for info in listed if (entry := Entry.at(info.key)) is not None)


def _folder(kind: str, owner: str | None) -> str:
    return f"{FOLDER}/{owner_folder(owner)}/{kind}/"
