"""Which sessions use a prepared avatar, and whether it is there: what the store knows without a bundle being read.

Nothing here reads pictures or sound, so that a server in front of the workers can do it too.
"""

from __future__ import annotations

import json

from engine.store.protocol import ObjectStore

WITHDRAWN = "withdrawn"
"""The one field of what stands in the place of a manifest that was taken back."""


class AvatarRefs:
    """The notes on one store. Every method raises what the store raises."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def is_published(self, key: str) -> bool:
        """Whether a manifest stands there; what it names may be damaged."""
        found = self._store.get(manifest_key(key))
        return found is not None and not _is_withdrawal(found.body)

    def touch(self, key: str) -> None:
        """Note that the avatar is used now."""
        self._store.put(used_key(key), b"{}", "application/json")

    def add(self, key: str, session_id: str) -> None:
        """Note that a session uses the avatar."""
        self._store.put(ref_key(key, session_id), b"{}", "application/json")

    def remove(self, key: str, session_id: str) -> None:
        """The session no longer uses the avatar, which counts as used until now."""
        if self._store.head(ref_key(key, session_id)) is not None:
            self.touch(key)
            self._store.delete(ref_key(key, session_id))

    def sessions(self, key: str) -> tuple[str, ...]:
        """The sessions that use the avatar, in order."""
        prefix = ref_key(key, "")
        return tuple(item.key.removeprefix(prefix) for item in self._store.list(prefix))


def manifest_key(key: str) -> str:
    return f"avatars/{key}/manifest.json"


def used_key(key: str) -> str:
    return f"avatars/{key}/used"


def ref_key(key: str, session_id: str) -> str:
    return f"avatars/{key}/refs/{session_id}"


def _is_withdrawal(body: bytes) -> bool:
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return isinstance(content, dict) and WITHDRAWN in content
