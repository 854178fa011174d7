"""What becomes of an uploaded avatar is noted beside it, so that who only reads the store can tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.sources import UPLOAD_ID
from engine.avatar.uploads import picture_key
from engine.records import AvatarRecord, Records
from engine.schemas import AvatarInfo
from engine.store.protocol import ObjectStore


@dataclass(frozen=True)
class UploadNotes:
    """Notes of a worker. ``protected`` gives the keys of the prepared avatars that stay when an upload is deleted.

    Raises what the store raises.
    """

    store: ObjectStore
    records: Records
    protected: Callable[[], frozenset[str]]

    def note_prepared(self, source: str | None, owner: str | None, avatar: PreparedAvatar, info: AvatarInfo) -> None:
        """Note what was made of the owner's avatar ``source``. Nothing happens where that is no upload, or deleted."""
        if source is None or not UPLOAD_ID.fullmatch(source) or not self._is_news(source, owner, avatar.key):
            return
        key = picture_key(source)
        self.store.put(key, avatar.thumbnail, "image/jpeg")
        keys = frozenset({avatar.key}) - self.protected()

        def noted(record: AvatarRecord) -> AvatarRecord:
            known = tuple(sorted({*record.avatar_keys, *keys}))
            return record.model_copy(update={"avatar": info, "avatar_keys": known})

        if self.records.avatars.update(source, noted) is None:
            self.store.delete(key)

    def _is_news(self, upload_id: str, owner: str | None, key: str) -> bool:
        record = self.records.avatars.get(upload_id)
        return record is not None and record.owner == owner and key not in record.avatar_keys
