"""The object store as a folder of this machine.

An object lies at its key's path beneath the root. What is being written lies in `+incoming`, a name that no key can
have, and is renamed into place when it is whole and on the disk. Every change of a key is made under one of the file
locks in `+locks`, so that conditions hold between processes as well as between threads.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from stat import S_ISDIR
from typing import BinaryIO

from engine.outages import StorageUnavailable
from engine.store.disk import PIECE_BYTES, disk_errors, pieces_of, whole_file
from engine.store.etags import etag_of, mark
from engine.store.folders import open_file, open_folder, prune, walk
from engine.store.keys import check_key, check_prefix, check_range, is_segment
from engine.store.protocol import ObjectInfo, StoredObject

ABANDONED_AFTER_SECONDS = 3600.0
OCTETS = "application/octet-stream"

_LOCKS = 64
_PLACING_ATTEMPTS = 50


@dataclass(frozen=True)
class _Incoming:
    """A whole file that has no key yet."""

    path: Path
    size: int
    etag: str
    modified: datetime


_Placing = Callable[[Path, int, str], bool]


class LocalStore:
    """An ObjectStore in the folder ``root``, which is made when it is missing.

    A key can't lie beneath another object's key: writing one raises ValueError. A symbolic link inside the root is no
    object, and nothing beneath it is. ``clock`` gives seconds since 1970.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        with disk_errors():
            self._root = root.resolve()
            self._incoming_folder = self._root / "+incoming"
            self._lock_folder = self._root / "+locks"
            self._incoming_folder.mkdir(parents=True, exist_ok=True)
            self._lock_folder.mkdir(exist_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove what writers that died have left: files that nobody has written to for an hour."""
        with disk_errors():
            for path in self._incoming_folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.lstat().st_mtime < self._clock() - ABANDONED_AFTER_SECONDS:
                        path.unlink()

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        return self._write(key, [body], content_type)

    def put_if_absent(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo | None:
        with self._incoming(check_key(key), [body], content_type) as incoming, self._lock(key):
            return self._place(key, incoming, _link)

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = OCTETS) -> ObjectInfo | None:
        with self._incoming(check_key(key), [body], content_type) as incoming, self._lock(key):
            current = self.head(key)
            if current is None or current.etag != etag:
                return None
            return self._place(key, incoming, _replace)

    def upload(self, key: str, source: BinaryIO, content_type: str = OCTETS) -> ObjectInfo:
        return self._write(key, pieces_of(source), content_type)

    def get(self, key: str) -> StoredObject | None:
        with disk_errors(), self._open(key) as file:
            if file is None:
                return None
            info = _info(key, file)
            return StoredObject(_read(file, 0, info.size), info)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        check_range(start, length)
        with disk_errors(), self._open(key) as file:
            return None if file is None else _read(file, start, length)

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        with disk_errors(), self._open(key) as file:
            if file is None:
                return None
            with whole_file(target) as copy, os.fdopen(os.dup(file), "rb") as source:
                for piece in pieces_of(source):
                    copy.write(piece)
            return _info(key, file)

    def head(self, key: str) -> ObjectInfo | None:
        with disk_errors(), self._open(key) as file:
            return None if file is None else _info(key, file)

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[ObjectInfo]:
        return islice(self._listed(prefix, after), limit)

    def copy(self, source: str, target: str) -> ObjectInfo | None:
        check_key(target)
        with disk_errors(), self._open(source) as file:
            if file is None:
                return None
            with os.fdopen(os.dup(file), "rb") as pieces:
                return self.upload(target, pieces)

    def presign_put(self, key: str, content_type: str, size: int, seconds: int) -> str | None:
        return None

    def delete(self, key: str) -> None:
        *folders, name = check_key(key).split("/")
        with disk_errors(), self._lock(key), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            with open_folder(self._root, folders) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            prune(self._root, folders)

    def url(self, key: str) -> str:
        """The object's absolute path on this machine."""
        return str(self._root / check_key(key))

    def _listed(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        folders = check_prefix(prefix).split("/")[:-1]
        with disk_errors():
            for names in walk(self._root, folders, lambda path: _is_key(path) and path.startswith(prefix)):
                key = "/".join(names)
                if key > after and (info := self.head(key)) is not None:
                    yield info

    @contextmanager
    def _open(self, key: str) -> Iterator[int | None]:
        with open_file(self._root, check_key(key).split("/")) as file:
            yield file

    def _write(self, key: str, pieces: Iterable[bytes], content_type: str) -> ObjectInfo:
        with self._incoming(check_key(key), pieces, content_type) as incoming, self._lock(key):
            info = self._place(key, incoming, _replace)
        assert info is not None
        return info

    @contextmanager
    def _incoming(self, key: str, pieces: Iterable[bytes], content_type: str) -> Iterator[_Incoming]:
        path = self._incoming_folder / uuid.uuid4().hex
        with disk_errors():
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            try:
                incoming = _fill(path, file, pieces, content_type)
            finally:
                os.close(file)
            yield incoming
        finally:
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        with disk_errors():
            path = self._lock_folder / f"{zlib.crc32(key.encode()) % _LOCKS:02}"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with disk_errors():
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _place(self, key: str, incoming: _Incoming, placing: _Placing) -> ObjectInfo | None:
        try:
            with disk_errors():
                placed = self._into_folder(key, incoming.path, placing)
        except StorageUnavailable as error:
            if isinstance(error.__cause__, NotADirectoryError | IsADirectoryError):
                raise ValueError(f"{key!r} lies above or beneath the key of another object.") from error
            raise
        return ObjectInfo(key, incoming.size, incoming.etag, incoming.modified) if placed else None

    def _into_folder(self, key: str, path: Path, placing: _Placing) -> bool:
        """Whether ``path`` has become the object; again when a deletion has just removed the key's empty folder."""
        *folders, name = key.split("/")
        for _ in range(_PLACING_ATTEMPTS):
            with suppress(FileNotFoundError), open_folder(self._root, folders, create=True) as folder:
                placed = placing(path, folder, name)
                os.fsync(folder)
                return placed
        raise StorageUnavailable("The storage's folders vanish while they are written to. Try again later.")


def _fill(path: Path, file: int, pieces: Iterable[bytes], content_type: str) -> _Incoming:
    """Write the pieces and bring them to the disk. An error of their source passes through as it is."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        with disk_errors():
            _write_all(file, piece)
    with disk_errors():
        os.fsync(file)
        mark(file, digest.hexdigest(), content_type)
        status = os.fstat(file)
    return _Incoming(path, status.st_size, digest.hexdigest(), _moment(status))


def _write_all(file: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(file, rest) :]


def _replace(path: Path, folder: int, name: str) -> bool:
    os.replace(path, name, dst_dir_fd=folder)
    return True


def _link(path: Path, folder: int, name: str) -> bool:
    try:
        os.link(path, name, dst_dir_fd=folder)
    except FileExistsError:
        if S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise IsADirectoryError from None
        return False
    return True


def _read(file: int, start: int, length: int) -> bytes:
    pieces = []
    while length > 0 and (piece := os.pread(file, min(length, PIECE_BYTES), start)):
        pieces.append(piece)
        start += len(piece)
        length -= len(piece)
    return b"".join(pieces)


def _info(key: str, file: int) -> ObjectInfo:
    status = os.fstat(file)
    return ObjectInfo(key, status.st_size, etag_of(file), _moment(status))


def _moment(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _is_key(path: str) -> bool:
    return is_segment(path.rpartition("/")[2])
