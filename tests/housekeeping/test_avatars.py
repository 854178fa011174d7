from __future__ import annotations

from pathlib import Path

import pytest

from engine.housekeeping.avatars import default_avatar_keys, forget_avatar
from tests.housekeeping.house import DAY, House


@pytest.fixture
def key(house: House, clip: Path) -> str:
    return house.avatar(clip)


def forget(house: House, key: str) -> bool:
    return forget_avatar(house.library, key, house.protected)


def test_nothing_is_left_of_a_face_that_its_last_owner_deletes(house: House, key: str) -> None:
    house.session("one", key)
    house.housekeeper.removal.remove("one")
    assert forget(house, key)
    assert house.stored() == []
    assert not any(path.is_file() for path in (house.folder / "cache" / "entries").rglob("*"))
    assert forget(house, key)


def test_a_face_stays_as_long_as_others_use_it_and_goes_after_them(house: House, key: str) -> None:
    house.session("mine", key)
    house.session("theirs", key, expires_at=house.now + 30 * DAY)
    house.housekeeper.removal.remove("mine")
    assert not forget(house, key)
    assert house.library.exists(key)
    house.housekeeper.removal.remove("theirs")
    house.now += 2 * DAY
    assert house.housekeeper.sweep(house.now).avatars == 1
    assert house.stored() == []


def test_a_protected_avatar_is_not_forgotten(house: House, key: str) -> None:
    house.protected = frozenset({key})
    assert not forget(house, key)
    assert house.library.exists(key)


def test_the_default_avatars_key_is_the_one_it_is_prepared_under(house: House, clip: Path, key: str) -> None:
    assert default_avatar_keys(house.library, clip) == {key}
    assert default_avatar_keys(house.library, clip.with_name("missing.mp4")) == frozenset()
