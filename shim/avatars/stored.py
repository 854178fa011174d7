"""Uploaded avatars as they lie in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.avatar.sources import UPLOAD_ID
from engine.avatar.uploads import picture_key
from engine.housekeeping.uploads import UploadRemoval
from engine.lifetimes import Lifetimes
from engine.owner_index import Entry
from engine.records import AvatarRecord, Records
from engine.store.protocol import ObjectStore
from shim.avatars.replies import AvatarPage, AvatarReply
from shim.callers import Caller
from shim.links import Links
from shim.pages import PageAsked, page_of
from shim.refusals import OutputNotFound, StoredAvatarNotFound
from shim.serving import ServedFile


@dataclass(frozen=True)
class StoredAvatars:
    """Finds avatars for their owners; all but ``page`` blocks, and raises what the store raises.

    now: the time in UTC.
    """

    store: ObjectStore
    records: Records
    lifetimes: Lifetimes
    links: Links
    now: Callable[[], datetime]

    def add(self, avatar_id: str, owner: str | None, size: int, consented: datetime | None) -> AvatarRecord:
        """Make the owner's avatar of a file that lies whole in its place."""
        now = self.now()
        record = AvatarRecord(
            avatar_id=avatar_id,
            owner=owner,
            bytes=size,
            consented=consented,
            heartbeat=now,
            created=now,
            updated=now,
        )
        return record if self.records.avatars.create(record) else self._existing(avatar_id)

    def get(self, avatar_id: str, caller: Caller) -> AvatarRecord:
        """Raises StoredAvatarNotFound, also for an avatar of another owner."""
        record = self._existing(avatar_id)
        if not caller.owns(record.owner) or self._has_expired(record):
            raise avatar_not_found()
        return record

    def delete(self, avatar_id: str, caller: Caller) -> None:
        """Raises StoredAvatarNotFound."""
        record = self.get(avatar_id, caller)
        if not UploadRemoval(self.store, self.records).delete(avatar_id, record.owner):
            raise avatar_not_found()

    def thumbnail(self, avatar_id: str, caller: Caller) -> ServedFile:
        """The avatar's picture. Raises StoredAvatarNotFound, and OutputNotFound before it was prepared."""
        self.get(avatar_id, caller)
        info = self.store.head(picture_key(avatar_id))
        if info is None:
            raise OutputNotFound("The avatar has no thumbnail yet: it comes with the first session of it.")
        return ServedFile.stored(self.store, info, f"{avatar_id}.jpg", "image/jpeg")

    async def page(self, asked: PageAsked, caller: Caller) -> AvatarPage:
        """The caller's avatars."""
        page = await page_of(asked, caller.owner, self.records.avatars, self._listed, self.now())
        return AvatarPage(avatars=[self.reply(each, caller) for each in page.items], next_cursor=page.next_cursor)

    def reply(self, record: AvatarRecord, caller: Caller) -> AvatarReply:
        """The avatar as its caller sees it."""
        thumbnail = f"/api/v1/avatars/{record.avatar_id}/thumbnail"
        return AvatarReply(
            avatar_id=record.avatar_id,
            bytes=record.bytes,
            uploaded_at=record.created,
            expires_at=self.lifetimes.upload_expires_at(record.created),
            status="uploaded" if record.avatar is None else "ready",
            consent=record.consented is not None,
            avatar=record.avatar,
            thumbnail_url=None if record.avatar is None else self.links.address(thumbnail, caller),
        )

    async def _listed(self, entry: Entry) -> AvatarRecord | None:
        record = await asyncio.to_thread(self.records.avatars.found, entry)
        return None if record is None or self._has_expired(record) else record

    def _existing(self, avatar_id: str) -> AvatarRecord:
        record = self.records.avatars.get(avatar_id) if UPLOAD_ID.fullmatch(avatar_id) else None
        if record is None:
            raise avatar_not_found()
        return record

    def _has_expired(self, record: AvatarRecord) -> bool:
        expires_at = self.lifetimes.upload_expires_at(record.created)
        return expires_at is not None and expires_at <= self.now()


def avatar_not_found() -> StoredAvatarNotFound:
    return StoredAvatarNotFound("There is no such avatar: it was deleted, has expired, or was never uploaded.")
