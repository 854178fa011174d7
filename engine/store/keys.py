"""What a key of the object store may look like, the same for every store."""

from __future__ import annotations

import re

MAX_KEY_BYTES = 900
MAX_SEGMENT_BYTES = 200

_CHARACTERS = re.compile(r"[A-Za-z0-9._-]+")


def is_segment(name: str) -> bool:
    """Whether ``name`` can stand between two slashes of a key."""
    return _CHARACTERS.fullmatch(name) is not None and name not in (".", "..") and len(name) <= MAX_SEGMENT_BYTES


def is_key(key: str) -> bool:
    """Whether ``key`` is a relative path of `[A-Za-z0-9._-]` segments."""
    return len(key) <= MAX_KEY_BYTES and all(is_segment(segment) for segment in key.split("/"))


def check_key(key: str) -> str:
    """``key`` itself; ValueError when it is none."""
    if not is_key(key):
        raise ValueError(f"{key[:MAX_KEY_BYTES]!r} is not a key of the object store.")
    return key


def check_prefix(prefix: str) -> str:
    """``prefix`` itself; ValueError when no key can begin with it. The empty prefix begins every key."""
    *folders, beginning = prefix.split("/")
    possible = not beginning or (_CHARACTERS.fullmatch(beginning) and len(beginning) <= MAX_SEGMENT_BYTES)
    if len(prefix) > MAX_KEY_BYTES or not possible or not all(is_segment(folder) for folder in folders):
        raise ValueError(f"{prefix[:MAX_KEY_BYTES]!r} is not the beginning of a key of the object store.")
    return prefix


def check_range(start: int, length: int) -> None:
    """ValueError unless [start, start + length) is a range of bytes."""
    if start < 0 or length < 0:
        raise ValueError(f"Bytes from {start} with length {length} are no range: both must be 0 or more.")
