"""A store in a folder that counts what is asked of it, as a bucket would bill it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo, StoredObject

WRITE, READ = "PUT and LIST", "GET and HEAD"
"""What stores charge for at the higher and at the lower price; DELETE costs nothing."""


class CountedStore(LocalStore):
    """One request for every call; an upload in parts, which only files of many megabytes take, would be some more."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    def counts(self) -> Counter[str]:
        """Requests since the last ``forget``, by kind."""
        with self._counting:
            return self._counts.copy()

    def forget(self) -> None:
        with self._counting:
            self._counts.clear()

    def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> ObjectInfo:
        self._count(WRITE)
        return super().put(key, body, content_type)

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> ObjectInfo | None:
        self._count(WRITE)
        return super().put_if_absent(key, body, content_type)

    def put_if_match(
        self, key: str, body: bytes, etag: str, content_type: str = "application/octet-stream"
    ) -> ObjectInfo | None:
        self._count(WRITE)
        return super().put_if_match(key, body, etag, content_type)

    def upload(self, key: str, source: BinaryIO, content_type: str = "application/octet-stream") -> ObjectInfo:
        self._count(WRITE)
        return super().upload(key, source, content_type)

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[ObjectInfo]:
        self._count(WRITE)
        return super().list(prefix, after, limit)

    def copy(self, source: str, target: str) -> ObjectInfo | None:
        self._count(WRITE)
        return super().copy(source, target)

    def get(self, key: str) -> StoredObject | None:
        self._count(READ)
        return super().get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        self._count(READ)
        return super().get_range(key, start, length)

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        self._count(READ)
        return super().download(key, target)

    def head(self, key: str) -> ObjectInfo | None:
        self._count(READ)
        return super().head(key)

    def _count(self, kind: str) -> None:
        with self._counting:
            self._counts[kind] += 1
