"""The etag of a local file: the SHA-256 of its bytes, kept beside them in the file's own extended attributes.

Attribute and bytes belong to one inode, so a rename moves both at one stroke and a crash can't part them. The
attribute also names the size and time of the bytes it was made of: a file edited in place is hashed again. So is every
file on a file system without extended attributes, each time its etag is asked for.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress

from engine.store.disk import PIECE_BYTES

_ETAG = "user.etag"
_CONTENT_TYPE = "user.mime_type"


def mark(file: int, etag: str, content_type: str) -> None:
    """Note ``etag`` and the type of the open file's bytes, which are all written."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        os.setxattr(file, _ETAG, f"{etag} {_state(os.fstat(file))}".encode())
        os.setxattr(file, _CONTENT_TYPE, content_type.encode())


def etag_of(file: int) -> str:
    """The etag of the open file, from its mark when that is of these bytes, else by reading them."""
    etag, _, state = _noted(file).partition(" ")
    return etag if state == _state(os.fstat(file)) else _hash(file)


def _noted(file: int) -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            return os.getxattr(file, _ETAG).decode("ascii", "replace")
    return ""


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _hash(file: int) -> str:
    digest = hashlib.sha256()
    offset = 0
    while piece := os.pread(file, PIECE_BYTES, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()
