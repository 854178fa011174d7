"""How an uploaded avatar goes: when its owner deletes it, and when its file has gone by its age.

Its record is first claimed: from then on the avatar isn't there for its owner. Then go the file, what was prepared of
it, its picture, and last the record. Whoever is interrupted leaves the claim, and a sweep goes on from there.

A session that was made of it goes on speaking, for it uses what was prepared, which then stays until no session does.
One that is still being prepared goes on where its worker has the file already, and else ends with `avatar_not_found`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.avatar.refs import AvatarRefs
from engine.avatar.shelf import Shelf
from engine.avatar.uploads import picture_key, upload_key
from engine.records import AvatarRecord, Records
from engine.store.protocol import ObjectStore

_PICTURE = re.compile(r"uploaded/([A-Za-z0-9_-]{1,64})\.jpg")


@dataclass(frozen=True)
class UploadRemoval:
    """Removes uploaded avatars. Every method raises what the store raises."""

    store: ObjectStore
    records: Records

    def delete(self, avatar_id: str, owner: str | None) -> bool:
        """Remove the owner's avatar, and what was prepared of it unless a session uses that; True when it went."""
        record = self.records.avatars.claim(avatar_id, lambda found: found.owner == owner)
        if record is None:
            return False
        self._remove_file(record)
        for key in record.avatar_keys:
            self._forget(key)
        self._remove_rest(record)
        return True

    def remove_left(self, avatar_id: str) -> bool:
        """Remove what is left of an avatar whose file has gone, as ``is_left`` says; True when it went."""
        record = self.records.avatars.claim(avatar_id, self.is_left)
        if record is None:
            return False
        self._remove_file(record)
        self._remove_rest(record)
        return True

    def is_left(self, record: AvatarRecord) -> bool:
        """Whether the avatar's file has gone."""
        return self.store.head(upload_key(record.owner, record.avatar_id)) is None

    def pictures_before(self, moment: datetime) -> Iterator[str]:
        """The ids of the avatars whose pictures were written before ``moment``."""
        for item in self.store.list("uploaded/"):
            if item.modified < moment and (found := _PICTURE.fullmatch(item.key)):
                yield found[1]

    def remove_stray_picture(self, avatar_id: str) -> bool:
        """Remove the picture of an avatar that was deleted before its writer, who then died, could note it."""
        if self.records.avatars.get(avatar_id) is not None:
            return False
        self.store.delete(picture_key(avatar_id))
        return True

    def _remove_file(self, record: AvatarRecord) -> None:
        self.store.delete(upload_key(record.owner, record.avatar_id))

    def _forget(self, key: str) -> None:
        refs = AvatarRefs(self.store)
        Shelf(self.store).take_down(key, lambda: not refs.sessions(key))

    def _remove_rest(self, record: AvatarRecord) -> None:
        self.store.delete(picture_key(record.avatar_id))
        self.records.avatars.delete(record.avatar_id)
