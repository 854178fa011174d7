"""When prepared avatars are let go of, and which never are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.avatar.collect import holdings
from engine.avatar.library import AvatarLibrary
from engine.cancel import CancelToken
from engine.lipsync.options import PreparationOptions
from engine.store.protocol import ObjectStore

_REF = re.compile(r"avatars/([0-9a-f]{64})/refs/([A-Za-z0-9_-]{1,64})")


@dataclass(frozen=True)
class Ref:
    """The note that a session uses an avatar."""

    avatar_key: str
    session_id: str


def refs_before(store: ObjectStore, moment: datetime) -> Iterator[Ref]:
    """Every note that was written before ``moment``."""
    for holding in holdings(store):
        for item in holding.objects:
            if item.modified < moment and (found := _REF.fullmatch(item.key)):
                yield Ref(found[1], found[2])


def default_avatar_keys(library: AvatarLibrary, default: Path) -> frozenset[str]:
    """The key of the default avatar as this worker prepares it; none where there is no such file."""
    if not default.is_file():
        return frozenset()
    return frozenset({library.key(default, PreparationOptions(), CancelToken())})


def forget_avatar(library: AvatarLibrary, key: str, protected: frozenset[str]) -> bool:
    """The avatar's owner has deleted it: the face data goes at once, unless a session uses it.

    True when it is gone. False while sessions of others use it, and for a key in ``protected``; the collector takes
    it when the last of them has let go of it. Raises what the store raises.
    """
    return key not in protected and (library.delete_unused(key) or not library.exists(key))
