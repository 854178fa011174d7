"""What the service asks of an object store.

Keys are relative paths of `[A-Za-z0-9._-]` segments joined by `/`, no segment `.` or `..`.
An object is whole or absent: a reader never sees half of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

COPY_BYTES = 5 << 30
"""What S3 takes in one PUT and copies at once, and what is asked of any store."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object's outside. ``etag`` changes with every write of other bytes and carries no quotes."""

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class StoredObject:
    """A small object and its outside."""

    body: bytes
    info: ObjectInfo


class OutputStore(Protocol):
    """Where a job's outputs go: the service's own store, or the bucket that came with the job.

    ValueError for a key that is not of the form above.
    """

    def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Write an object, over an older one if there is one."""
        ...

    def upload(self, key: str, source: BinaryIO, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Write an object from what is left of an open file, read in pieces."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when it is absent."""
        ...

    def url(self, key: str) -> str:
        """Where a caller fetches the object: an address that needs no secret, or a path of this machine."""
        ...


class ObjectStore(OutputStore, Protocol):
    """Every method raises StorageUnavailable when the store doesn't answer and StorageFull when it has no room."""

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> ObjectInfo | None:
        """Write an object unless one is there; None when one is. Of several racing writers one wins."""
        ...

    def put_if_match(
        self, key: str, body: bytes, etag: str, content_type: str = "application/octet-stream"
    ) -> ObjectInfo | None:
        """Replace the object whose etag is ``etag``; None when it has another one or is gone."""
        ...

    def upload(self, key: str, source: BinaryIO, content_type: str = "application/octet-stream") -> ObjectInfo:
        """Write an object from a stream of any length, read in pieces."""
        ...

    def get(self, key: str) -> StoredObject | None:
        """A small object, whole; None when it is absent."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Bytes [start, start + length) as far as they exist; None when the object is absent."""
        ...

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        """Copy an object into the file ``target``, in pieces; None when it is absent."""
        ...

    def head(self, key: str) -> ObjectInfo | None: ...

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[ObjectInfo]:
        """The objects whose keys begin with ``prefix``, in order of keys: those that follow the key ``after``, and no
        more than ``limit``, for which a bucket is asked once where it has at most 1,000 to give."""
        ...

    def copy(self, source: str, target: str) -> ObjectInfo | None:
        """Write the object ``source``, of up to COPY_BYTES, under the key ``target`` too, over an older one if there
        is one; None when it is absent."""
        ...

    def presign_put(self, key: str, content_type: str, size: int, seconds: int) -> str | None:
        """An address that takes the object by PUT for so many seconds, of exactly ``size`` bytes and with this
        Content-Type, up to COPY_BYTES; None where only this machine can write."""
        ...
