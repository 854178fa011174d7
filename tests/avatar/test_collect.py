"""Who uses an avatar, and when it goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.avatar.shelf import Shelf
from engine.cancel import CancelToken
from tests.avatar.studio import OPTIONS, Worker, silent, write_clip

DAY = timedelta(hours=24)


def later(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def make_older(worker: Worker, key: str) -> None:
    """Let the avatar's objects have been written two days ago."""
    then = (datetime.now(UTC) - 2 * DAY).timestamp()
    for item in worker.store.list(f"avatars/{key}/"):
        os.utime(worker.store.url(item.key), (then, then))


@pytest.fixture
def key(worker: Worker, clip: Path) -> str:
    return worker.library.prepare(clip, OPTIONS, silent, CancelToken()).key


def test_refs_say_who_uses_an_avatar(worker: Worker, key: str) -> None:
    assert worker.library.refs(key) == ()
    assert worker.library.add_ref(key, "b")
    assert worker.library.add_ref(key, "a")
    assert worker.library.add_ref(key, "a")
    assert worker.library.refs(key) == ("a", "b")
    worker.library.remove_ref(key, "a")
    worker.library.remove_ref(key, "never")
    assert worker.library.refs(key) == ("b",)


def test_a_reference_to_what_is_gone_is_told(worker: Worker, key: str) -> None:
    worker.library.delete(key)
    assert not worker.library.add_ref(key, "late")


def test_deleting_leaves_nothing_in_the_store_nor_on_this_disk(worker: Worker, key: str) -> None:
    worker.library.delete(key)
    assert worker.stored() == []
    assert worker.files() == []
    assert worker.library.fetch(key) is None
    worker.library.delete(key)


def test_a_deleted_avatar_can_be_prepared_again(worker: Worker, clip: Path, key: str) -> None:
    worker.library.delete(key)
    assert worker.library.prepare(clip, OPTIONS, silent, CancelToken()).key == key
    assert worker.preparer.begun == 2


def test_deleting_what_cannot_be_read_works_too(worker: Worker, key: str) -> None:
    worker.store.put(f"avatars/{key}/manifest.json", b"garbage")
    worker.library.delete(key)
    assert not worker.library.exists(key)
    worker.library.collect(later(25))
    assert worker.stored() == []


def test_an_avatar_in_use_is_not_deleted_as_unused(worker: Worker, key: str) -> None:
    worker.library.add_ref(key, "session")
    assert not worker.library.delete_unused(key)
    assert worker.library.exists(key)
    worker.library.remove_ref(key, "session")
    assert worker.library.delete_unused(key)
    assert worker.stored() == []
    assert worker.files() == []
    assert not worker.library.delete_unused(key)


def test_a_session_that_begins_during_the_deletion_keeps_the_avatar(worker: Worker, key: str) -> None:
    shelf, asked = Shelf(worker.store), []

    def unneeded() -> bool:
        asked.append(worker.library.exists(key))
        return len(asked) == 1

    assert not shelf.take_down(key, unneeded)
    assert asked == [True, False]
    avatar = worker.library.fetch(key)
    assert avatar is not None
    assert len(worker.stored()) == 4


def test_what_is_published_during_a_deletion_stays(worker: Worker, other: Worker, clip: Path, key: str) -> None:
    def unneeded() -> bool:
        if not worker.library.exists(key):
            other.library.prepare(clip, OPTIONS, silent, CancelToken())
        return True

    old = worker.library.fetch(key)
    assert Shelf(worker.store).take_down(key, unneeded)
    new = worker.library.fetch(key)
    assert old is not None
    assert new is not None
    assert new.manifest.attempt != old.manifest.attempt
    assert [name for name in worker.stored() if old.manifest.attempt in name] == []


def test_collecting_removes_what_nobody_used_for_a_day(worker: Worker, other: Worker, key: str) -> None:
    assert worker.library.collect(later(23)) == ()
    other.library.fetch(key)
    assert worker.library.collect(later(25)) == (key,)
    assert worker.stored() == []
    assert worker.files() == []
    assert other.library.collect(later(25)) == ()
    assert other.files() == []


def test_collecting_spares_the_used_and_the_protected(worker: Worker, clip: Path, key: str, tmp_path: Path) -> None:
    default = worker.library.prepare(write_clip(tmp_path / "b.mp4", hue=3), OPTIONS, silent, CancelToken()).key
    worker.library.add_ref(key, "session")
    assert worker.library.collect(later(1000), DAY, frozenset({default})) == ()
    assert worker.library.exists(default)
    worker.library.remove_ref(key, "session")
    assert worker.library.collect(later(1000), DAY, frozenset({default})) == (key,)


def test_the_day_begins_anew_with_every_use(worker: Worker, clip: Path, key: str) -> None:
    worker.library.add_ref(key, "session")
    make_older(worker, key)
    worker.library.remove_ref(key, "session")
    assert worker.library.collect(later(23)) == ()
    make_older(worker, key)
    worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    assert worker.library.collect(later(23)) == ()
    make_older(worker, key)
    assert worker.library.collect(later(23)) == (key,)


def test_collecting_clears_a_withdrawal_and_its_note(worker: Worker, other: Worker, clip: Path, key: str) -> None:
    other.library.prepare(clip, OPTIONS, silent, CancelToken())
    manifest = worker.store.get(f"avatars/{key}/manifest.json")
    assert manifest is not None
    for item in list(worker.store.list(f"avatars/{key}/")):
        if item.key.endswith(".h264"):
            worker.store.put(item.key, b"damaged")
    assert Worker.start(other.disk.with_name("c"), other.disk.with_name("store")).library.fetch(key) is None
    assert worker.stored() != []
    assert worker.library.collect(later(25)) == (key,)
    assert worker.stored() == []
    assert worker.files() == []


def test_collecting_leaves_other_objects_alone(worker: Worker) -> None:
    for name in ("avatars/readme", "avatars/short/manifest.json", "sessions/a.json"):
        worker.store.put(name, b"{}")
    worker.library.collect(later(1000))
    assert len(worker.stored()) == 3
