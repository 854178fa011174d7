"""Local stores that watch what a stream's followers would see, that are slow, or that fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from engine.outages import StorageUnavailable
from engine.store.local import OCTETS, LocalStore
from engine.store.protocol import ObjectInfo
from engine.streams.layout import RunKeys, StreamState, state_key

Written = TypeVar("Written", ObjectInfo, ObjectInfo | None)


def state_of(store: LocalStore, stream_id: str) -> StreamState | None:
    found = store.get(state_key(stream_id))
    return None if found is None else StreamState.model_validate_json(found.body)


def keys_under(store: LocalStore, prefix: str = "streams/") -> list[str]:
    return [item.key for item in store.list(prefix)]


class WatchedStore(LocalStore):
    """Looks at all streams after every change, as a follower might at that moment.

    ``seen`` collects their states; ``then`` is called with the key after every write.
    """

    def __init__(self, root: Path, then: Callable[[str], object] = lambda _: None) -> None:
        super().__init__(root)
        self.seen: list[StreamState] = []
        self.then = then
        self.writes: list[str] = []

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        return self._watched(key, super().put(key, body, content_type))

    def put_if_absent(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo | None:
        return self._watched(key, super().put_if_absent(key, body, content_type))

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = OCTETS) -> ObjectInfo | None:
        return self._watched(key, super().put_if_match(key, body, etag, content_type))

    def delete(self, key: str) -> None:
        super().delete(key)
        self._look(key)

    def _watched(self, key: str, written: Written) -> Written:
        if key.startswith("streams/"):
            self.writes.append(key)
            self._look(key)
            self.then(key)
        return written

    def _look(self, key: str) -> None:
        if not key.startswith("streams/"):
            return
        state = state_of(self, key.split("/")[1])
        if state is not None:
            self.seen.append(state)
            check_followable(self, key.split("/")[1], state)


def check_followable(store: LocalStore, stream_id: str, state: StreamState) -> None:
    """All that the state lists is there, and parts are there in order."""
    keys = RunKeys(stream_id, state.run)
    listed = [state.hls_url, state.init_url, *(segment.url for segment in state.segments)]
    assert all(Path(url).exists() for url in listed if url is not None)
    parts = [key for key in keys_under(store, keys.folder) if "/part-" in key]
    if state.state == "failed":
        return
    assert parts == [keys.part(number) for number in range(len(parts))]
    assert not parts or store.head(keys.init) is not None
    if state.state == "done":
        assert state.parts == len(parts)


class SlowStore(LocalStore):
    """Writes nothing beneath streams/ but states and lists while ``gate`` is closed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gate = threading.Event()

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        if key.endswith((".m4s", ".mp4")):
            assert self.gate.wait(30)
        return super().put(key, body, content_type)


class FailingStore(LocalStore):
    """Takes no object whose key contains ``part``; with ``for_good``, nothing beneath streams/ from the first on."""

    def __init__(self, root: Path, part: str, *, for_good: bool = False) -> None:
        super().__init__(root)
        self._part = part
        self._for_good = for_good
        self._away = False

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        self._fail(key)
        return super().put(key, body, content_type)

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = OCTETS) -> ObjectInfo | None:
        self._fail(key)
        return super().put_if_match(key, body, etag, content_type)

    def _fail(self, key: str) -> None:
        self._away = self._away or (self._for_good and self._part in key)
        if self._part in key or (self._away and key.startswith("streams/")):
            raise StorageUnavailable("The object store doesn't answer. Try again later.")
