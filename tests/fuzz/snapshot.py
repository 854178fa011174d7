"""A store as it was at one moment: what has changed since, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.protocol import ObjectStore


@dataclass(frozen=True)
class Changes:
    """Keys that were added, written anew with other bytes, and removed."""

    added: frozenset[str]
    changed: frozenset[str]
    gone: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return self.added | self.changed | self.gone


class Snapshot:
    """Every object of ``store``, in memory."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.bodies = {info.key: body_at(store, info.key) for info in store.list("")}
        self._etags = self._listed()

    def changes(self) -> Changes:
        """What is otherwise now."""
        now = self._listed()
        touched = {key for key, etag in now.items() if key in self._etags and etag != self._etags[key]}
        changed = {key for key in touched if body_at(self._store, key) != self.bodies[key]}
        return Changes(
            frozenset(now.keys() - self._etags.keys()), frozenset(changed), frozenset(self._etags.keys() - now)
        )

    def restore(self) -> None:
        """Put everything back."""
        now = self._listed()
        for key in now.keys() - self._etags.keys():
            self._store.delete(key)
        for key, etag in self._etags.items():
            if now.get(key) != etag:
                self._store.put(key, self.bodies[key])
        self._etags = self._listed()

    def _listed(self) -> dict[str, str]:
        return {info.key: info.etag for info in self._store.list("")}


def body_at(store: ObjectStore, key: str) -> bytes:
    found = store.get(key)
    assert found is not None, key
    return found.body
