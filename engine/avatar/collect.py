"""What lies in the store for each avatar, and what of it nobody needs any more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from engine.store.protocol import ObjectInfo, ObjectStore

_PART = re.compile(r"avatars/[0-9a-f]{64}/([0-9a-f]{32})/[^/]+")
_AVATAR = re.compile(r"avatars/([0-9a-f]{64})/.+")


@dataclass(frozen=True)
class Holding:
    """Every object that belongs to the avatar ``key``."""

    key: str
    objects: tuple[ObjectInfo, ...]

    def unused_since(self, moment: datetime) -> bool:
        """Whether no session refers to it, and it was neither published, asked for nor let go since ``moment``."""
        lasting = [item for item in self.objects if not _PART.fullmatch(item.key)]
        referred = any(item.key.startswith(f"avatars/{self.key}/refs/") for item in lasting)
        return not referred and all(item.modified < moment for item in lasting)

    def abandoned_parts(self, attempt: str | None, moment: datetime) -> list[str]:
        """Keys of parts older than ``moment`` of attempts other than ``attempt``, the published one."""
        return [
            item.key
            for item in self.objects
            if (part := _PART.fullmatch(item.key)) and part[1] != attempt and item.modified < moment
        ]


def holdings(store: ObjectStore) -> Iterator[Holding]:
    """What the store holds for every avatar, one avatar at a time."""
    for key, objects in groupby(store.list("avatars/"), lambda item: _avatar_of(item.key)):
        if key is not None:
            yield Holding(key, tuple(objects))


def _avatar_of(key: str) -> str | None:
    found = _AVATAR.fullmatch(key)
    return found[1] if found else None
