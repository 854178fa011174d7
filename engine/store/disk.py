"""How the disk's refusals become the store's errors, and how a file becomes whole at one stroke."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.outages import StorageFull, StorageUnavailable

PIECE_BYTES = 1 << 20

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an OSError of the block into StorageFull or StorageUnavailable, neither of which names a path."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull("The storage has no room left. Free some, or try again later.") from error
        reason = errno.errorcode.get(error.errno or 0, "an unknown error")
        raise StorageUnavailable(f"The storage can't be read or written ({reason}). Try again later.") from error


def pieces_of(source: BinaryIO) -> Iterator[bytes]:
    """What is left of ``source``, a piece at a time."""
    while piece := source.read(PIECE_BYTES):
        yield piece


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write into that takes the place of ``target`` when the block ends, and is gone when it fails."""
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
