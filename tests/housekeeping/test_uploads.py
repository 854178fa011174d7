"""How uploaded avatars go: deleted by their owners, or after their files have gone by their age."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.avatar.uploaded import UploadNotes
from engine.avatar.uploads import picture_key, upload_key
from engine.cancel import CancelToken
from engine.housekeeping.uploads import UploadRemoval
from engine.owner_index import Entry
from engine.records import AvatarRecord
from engine.schemas import AvatarInfo
from tests.avatar.studio import OPTIONS, silent
from tests.housekeeping.house import DAY, HOUR, House
from tests.housekeeping.test_housekeeper import make_older, swept

INFO = AvatarInfo(width=64, height=48, seconds=1, face_width=20, face_height=16, warnings=[])


def uploaded(house: House, avatar_id: str = "up", owner: str | None = "alice") -> AvatarRecord:
    house.put(upload_key(owner, avatar_id))
    record = AvatarRecord(
        avatar_id=avatar_id, owner=owner, bytes=7, heartbeat=house.now, created=house.now, updated=house.now
    )
    assert house.records.avatars.create(record)
    return record


def prepared(house: House, clip: Path, avatar_id: str = "up", owner: str | None = "alice") -> str:
    """The key of what was prepared of the upload, which is noted."""
    avatar = house.library.prepare(clip, OPTIONS, silent, CancelToken())
    UploadNotes(house.store, house.records, lambda: house.protected).note_prepared(avatar_id, owner, avatar, INFO)
    return avatar.key


def deleted(house: House, avatar_id: str = "up", owner: str | None = "alice") -> bool:
    return UploadRemoval(house.store, house.records).delete(avatar_id, owner)


def test_what_was_made_of_an_upload_is_noted_beside_it(house: House, clip: Path) -> None:
    uploaded(house)
    key = prepared(house, clip)
    record = house.records.avatars.get("up")
    assert record is not None
    assert (record.avatar, record.avatar_keys) == (INFO, (key,))
    picture = house.store.get(picture_key("up"))
    assert picture is not None
    assert picture.body.startswith(b"\xff\xd8")


@pytest.mark.parametrize(("source", "owner"), [("up", "bob"), ("up", None), ("./up", "alice"), ("other", "alice")])
def test_nothing_is_noted_of_another_s_upload_or_of_none(house: House, clip: Path, source: str, owner: str) -> None:
    uploaded(house)
    prepared(house, clip, source, owner)
    record = house.records.avatars.get("up")
    assert record is not None
    assert record.avatar is None
    assert house.stored("uploaded/") == ["uploaded/up.json"]


def test_nothing_is_left_of_an_avatar_that_is_deleted(house: House, clip: Path) -> None:
    uploaded(house)
    prepared(house, clip)
    assert not deleted(house, owner="bob")
    assert deleted(house)
    assert house.stored() == []
    assert not deleted(house)


def test_what_sessions_use_stays_when_its_upload_is_deleted(house: House, clip: Path) -> None:
    uploaded(house)
    key = prepared(house, clip)
    house.session("speaking", key)
    assert deleted(house)
    assert house.library.exists(key)
    assert house.stored("upload") == []


def test_the_default_avatar_stays_though_somebody_uploads_and_deletes_it(house: House, clip: Path) -> None:
    key = house.avatar(clip)
    house.protected = frozenset({key})
    uploaded(house)
    prepared(house, clip)
    assert deleted(house)
    assert house.library.exists(key)


def test_a_note_that_comes_after_the_deletion_leaves_nothing(house: House, clip: Path) -> None:
    uploaded(house)
    assert deleted(house)
    prepared(house, clip)
    assert house.stored("upload") == []


def test_the_record_goes_when_the_file_has_gone_by_its_age(house: House, clip: Path) -> None:
    uploaded(house)
    key = prepared(house, clip)
    kept = uploaded(house, "newer")
    house.session("speaking", key)
    make_older(house, upload_key("alice", "up"))
    assert house.housekeeper.sweep(house.now) == swept(uploads=1, uploaded=1)
    assert house.stored("uploaded/") == ["uploaded/newer.json"]
    assert house.library.exists(key)
    found = [entry.thing_id for entry in house.records.avatars.index.page("uploaded", "alice", None, 9)]
    assert found == [kept.avatar_id]


def test_a_picture_whose_note_was_interrupted_by_a_deletion_goes(house: House) -> None:
    """Its writer finds the record gone and removes it, unless it is killed before."""
    uploaded(house)
    house.put(picture_key("up"), picture_key("gone"), picture_key("coming"))
    make_older(house, picture_key("up"), picture_key("gone"))
    assert house.housekeeper.sweep(house.now) == swept(uploaded=1)
    assert house.stored("uploaded/") == [picture_key("coming"), picture_key("up"), "uploaded/up.json"]


def test_a_deletion_that_was_interrupted_is_gone_on_with(house: House) -> None:
    record = uploaded(house)
    assert house.records.avatars.claim("up", lambda _: True)
    assert house.records.avatars.get("up") is None
    house.now += HOUR / 2
    assert house.housekeeper.sweep(house.now) == swept(uploaded=1)
    assert house.stored() == []
    assert house.records.avatars.entry(record).kind == "uploaded"


def test_entries_of_nothing_go_and_others_stay(house: House) -> None:
    session = house.session("one")
    stray = Entry.of("sessions", None, "gone", house.now - 2 * HOUR)
    begun = Entry.of("sessions", None, "coming", house.now - timedelta(minutes=5))
    others = Entry.of("presets", None, "gone", house.now - DAY)
    for entry in (stray, begun, others):
        house.records.sessions.index.add(entry)
    assert house.housekeeper.sweep(house.now) == swept(entries=1)
    assert set(house.stored("owners/")) == {house.records.sessions.entry(session).key, begun.key, others.key}


def test_uploads_that_never_came_whole_go(house: House) -> None:
    house.put("incoming/half", "incoming/half.json", "incoming/new")
    make_older(house, "incoming/half", "incoming/half.json")
    house.housekeeper.sweep(house.now)
    assert house.stored() == ["incoming/new"]
