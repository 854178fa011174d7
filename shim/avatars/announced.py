"""Large uploads: announced first, sent to an address of their own, and there only once they are complete.

What arrives lies where no avatar does (engine.avatar.uploads), so that nobody finds half of one; what never becomes
complete goes by its age.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.avatar.sources import UPLOAD_ID
from engine.avatar.uploads import incoming_key, upload_key
from engine.records import AvatarRecord, Record, RecordSet, sleep_up_to
from engine.store.protocol import COPY_BYTES, ObjectStore
from shim.avatars.consent import Consent, stated_in
from shim.avatars.replies import UploadAddress
from shim.avatars.stored import StoredAvatars, avatar_not_found
from shim.bodies import validated
from shim.callers import Caller
from shim.refusals import UploadIncomplete, UploadTooLarge


class Announcement(BaseModel):
    """A file that is to be uploaded."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    bytes: int = Field(ge=1, description="The file's size, to the byte.", examples=[48_000_000])
    content_type: str = Field(
        "application/octet-stream",
        pattern=r"^((video|image)/[A-Za-z0-9.+-]{1,60}|application/octet-stream)$",
        description="The Content-Type that it will be sent with.",
        examples=["video/mp4"],
    )


class AnnouncedRecord(Record):
    """An upload of ``bytes`` that was announced by its owner and isn't complete."""

    upload_id: str
    owner: str | None = None
    bytes: int
    consented: AwareDatetime | None = None


@dataclass(frozen=True)
class AnnouncedUploads:
    """Every method blocks, and raises what the store raises. seconds: how long an address takes its file."""

    store: ObjectStore
    avatars: StoredAvatars
    consent: Consent
    max_bytes: int
    seconds: int
    now: Callable[[], datetime]

    @property
    def _announced(self) -> RecordSet[AnnouncedRecord]:
        return RecordSet(
            self.store, "incoming", AnnouncedRecord, lambda record: record.upload_id, self.now, sleep_up_to
        )

    @property
    def largest(self) -> int:
        """Most bytes of one file: a bucket takes no more in one request."""
        return min(self.max_bytes, COPY_BYTES)

    def announce(self, body: Mapping[str, Any], caller: Caller) -> UploadAddress:
        """Where the caller's file goes. Raises InvalidInput, ConsentRequired and UploadTooLarge."""
        stated, coming, now = stated_in(body), validated(body, Announcement), self.now()
        self.consent.demand(stated)
        if coming.bytes > self.largest:
            raise UploadTooLarge(f"The file is larger than the limit of {self.largest:,} bytes.")
        record = AnnouncedRecord(
            upload_id=str(uuid.uuid4()),
            owner=caller.owner,
            bytes=coming.bytes,
            consented=now if stated else None,
            heartbeat=now,
            created=now,
            updated=now,
        )
        self._announced.create(record)
        return self._address(record.upload_id, coming, caller)

    def expected(self, avatar_id: str, caller: Caller) -> AnnouncedRecord:
        """The caller's upload that isn't complete. Raises StoredAvatarNotFound."""
        record = self._found(avatar_id, caller)
        if record is None:
            raise avatar_not_found()
        return record

    def complete(self, avatar_id: str, caller: Caller) -> AvatarRecord:
        """Make the file that has arrived the caller's avatar; again, it is that already.

        Raises StoredAvatarNotFound, UploadIncomplete, and UploadTooLarge, which removes the file.
        """
        announced = self._found(avatar_id, caller)
        if announced is None:
            return self.avatars.get(avatar_id, caller)
        self._demand_whole(announced)
        target = upload_key(announced.owner, avatar_id)
        copied = self.store.copy(incoming_key(avatar_id), target)
        if copied is None:
            # Another request for the same has just been quicker.
            return self.avatars.get(avatar_id, caller)
        if copied.size != announced.bytes:
            self.store.delete(target)
            raise _incomplete(announced, copied.size)
        record = self.avatars.add(avatar_id, announced.owner, copied.size, announced.consented)
        self._remove(avatar_id)
        return record

    def withdraw(self, avatar_id: str, caller: Caller) -> bool:
        """Forget an upload that isn't complete; False where there is none."""
        if self._found(avatar_id, caller) is None:
            return False
        self._remove(avatar_id)
        return True

    def _found(self, avatar_id: str, caller: Caller) -> AnnouncedRecord | None:
        record = self._announced.get(avatar_id) if UPLOAD_ID.fullmatch(avatar_id) else None
        return record if record is not None and caller.owns(record.owner) else None

    def _remove(self, avatar_id: str) -> None:
        # Whoever finds the announcement may count on its file; a file alone goes by its age.
        self._announced.delete(avatar_id)
        self.store.delete(incoming_key(avatar_id))

    def _address(self, avatar_id: str, coming: Announcement, caller: Caller) -> UploadAddress:
        presigned = self.store.presign_put(incoming_key(avatar_id), coming.content_type, coming.bytes, self.seconds)
        own = f"/api/v1/avatars/{avatar_id}/content"
        return UploadAddress(
            avatar_id=avatar_id,
            upload_url=presigned or self.avatars.links.address(own, caller),
            upload_headers={"Content-Type": coming.content_type},
            expires_at=self.now() + timedelta(seconds=self.seconds),
        )

    def _demand_whole(self, announced: AnnouncedRecord) -> None:
        key = incoming_key(announced.upload_id)
        info = self.store.head(key)
        if info is not None and info.size > self.largest:
            self.store.delete(key)
            raise UploadTooLarge(f"The file is larger than the limit of {self.largest:,} bytes, and was removed.")
        if info is None or info.size != announced.bytes:
            raise _incomplete(announced, 0 if info is None else info.size)


def _incomplete(announced: AnnouncedRecord, size: int) -> UploadIncomplete:
    return UploadIncomplete(
        f"{size:,} bytes have arrived, and {announced.bytes:,} were announced. Send the file to its `upload_url`."
    )
