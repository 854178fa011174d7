"""What interrupts the completion of an upload is made up for by the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.avatar.uploads import incoming_key
from engine.lifetimes import Lifetimes
from engine.outages import StorageUnavailable
from engine.records import Records
from engine.store.local import LocalStore
from shim.avatars.announced import AnnouncedUploads
from shim.avatars.consent import Consent
from shim.avatars.stored import StoredAvatars
from shim.callers import Caller
from shim.links import Links
from shim.refusals import StoredAvatarNotFound
from shim.signing import SigningSecret

ALICE, BOB = Caller("alice", "alice", "key"), Caller("bob", "bob", "key")


class Breaking(LocalStore):
    """A write fails after so many others, once."""

    fails_after = 10**6

    def _count(self) -> None:
        self.fails_after -= 1
        if self.fails_after < 0:
            self.fails_after = 10**6
            raise StorageUnavailable("The store is away.")

    def copy(self, source: str, target: str):  # type: ignore[no-untyped-def]
        self._count()
        return super().copy(source, target)

    def put(self, key: str, body: bytes, content_type: str = ""):  # type: ignore[no-untyped-def]
        self._count()
        return super().put(key, body, content_type)

    def put_if_absent(self, key: str, body: bytes, content_type: str = ""):  # type: ignore[no-untyped-def]
        self._count()
        return super().put_if_absent(key, body, content_type)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)


@pytest.fixture
def store(tmp_path: Path) -> Breaking:
    return Breaking(tmp_path)


@pytest.fixture
def uploads(store: Breaking) -> AnnouncedUploads:
    def now() -> datetime:
        return datetime.now(UTC)

    links = Links(SigningSecret(SecretStr("s" * 32), store), 60, is_guarded=True)
    avatars = StoredAvatars(store, Records(store, now, lambda _: None), Lifetimes(None, None, None), links, now)
    return AnnouncedUploads(store, avatars, Consent(False), 1000, 60, now)


@pytest.mark.parametrize("step", range(5))
def test_a_completion_that_breaks_off_can_be_asked_for_again(
    store: Breaking, uploads: AnnouncedUploads, step: int
) -> None:
    avatar_id = uploads.announce({"bytes": 4}, ALICE).avatar_id
    store.put(incoming_key(avatar_id), b"face")
    store.fails_after = step
    with pytest.raises(StorageUnavailable):
        uploads.complete(avatar_id, ALICE)
    record = uploads.complete(avatar_id, ALICE)
    assert record.bytes == 4
    assert uploads.avatars.get(avatar_id, ALICE) == record
    entries = list(uploads.avatars.records.avatars.index.everybodys())
    assert [entry for entry in entries if not uploads.avatars.records.is_stray(entry)] == [
        uploads.avatars.records.avatars.entry(record)
    ]


def test_an_upload_is_its_announcer_s_alone(uploads: AnnouncedUploads) -> None:
    address = uploads.announce({"bytes": 4}, ALICE)
    assert "?expires=" in address.upload_url
    for ask in (uploads.expected, uploads.complete):
        with pytest.raises(StoredAvatarNotFound):
            ask(address.avatar_id, BOB)
    assert not uploads.withdraw(address.avatar_id, BOB)
    assert uploads.expected(address.avatar_id, ALICE).bytes == 4
