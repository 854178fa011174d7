"""What a prepared avatar is called: equal work has an equal key, and other work another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from engine.cancel import CancelToken

FORMAT_VERSION: Literal[1] = 1
"""Rises whenever the bundle's files change their meaning, so that older bundles are prepared anew."""

PIECE_BYTES = 1 << 20


def canonical_hash(value: JsonValue) -> str:
    """64 hexadecimal digits that are equal for equal JSON values, whatever the order of their keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def text_sha256(text: str) -> str:
    """The hash of the text as UTF-8, piece by piece: a long one is never copied whole."""
    digest = hashlib.sha256()
    for start in range(0, len(text), PIECE_BYTES):
        digest.update(text[start : start + PIECE_BYTES].encode())
    return digest.hexdigest()


def avatar_key(video_sha256: str, options: Mapping[str, JsonValue], renderer: str, revision: str) -> str:
    """64 hexadecimal digits that stand for all that decides what a prepared avatar holds.

    video_sha256: of the avatar's file as it came. options: those that the Preparer heeds. renderer, revision: its own.
    """
    return canonical_hash(
        {
            "format": FORMAT_VERSION,
            "options": dict(options),
            "renderer": renderer,
            "revision": revision,
            "video": video_sha256,
        }
    )


def file_sha256(path: Path, cancel: CancelToken) -> str:
    """The SHA-256 of a file of any length as 64 hexadecimal digits.

    Raises Cancelled when ``cancel`` says so.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            cancel.check()
            digest.update(piece)
    return digest.hexdigest()
