"""How a session goes, whatever happens meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.housekeeping.removal import HELD
from engine.outages import Interrupted, Overloaded, StorageUnavailable
from engine.records import CLAIM, Records, SessionRecord
from engine.store.local import LocalStore
from tests.housekeeping.house import DAY, KEY, House, always, renewing

SECOND = timedelta(seconds=1)


class StubbornStore(LocalStore):
    """Refuses to delete the key ``kept``."""

    kept = ""

    def delete(self, key: str) -> None:
        if key == self.kept:
            raise StorageUnavailable("The storage can't be written.")
        super().delete(key)


@pytest.fixture
def stubborn(tmp_path: Path) -> House:
    """A session `one` whose removal is interrupted at its only output."""
    store = StubbornStore(tmp_path / "store")
    house = House(tmp_path, store)
    house.session("one", KEY)
    house.put("outputs/one/job-12345678/video.mp4")
    store.kept = "outputs/one/job-12345678/video.mp4"
    with pytest.raises(StorageUnavailable):
        house.housekeeper.removal.remove("one")
    store.kept = ""
    return house


def test_a_session_goes_with_its_outputs_and_the_avatars_note(house: House) -> None:
    house.session("one", KEY)
    house.session("one2", KEY)
    house.put("outputs/one/job-12345678/video.mp4", "outputs/one/job-12345678/audio.mp3", "outputs/one2/a/video.mp4")
    assert house.housekeeper.removal.remove("one")
    assert house.stored("outputs/") == ["outputs/one2/a/video.mp4"]
    assert house.stored("sessions/") == ["sessions/one2.json"]
    assert house.library.refs(KEY) == ("one2",)


def test_a_session_goes_with_the_streams_of_its_jobs(house: House) -> None:
    house.session("one", KEY)
    house.put("outputs/one/job-12345678/video.mp4", "outputs/two/job2-12345678/video.mp4")
    house.put("streams/job/stream.json", "streams/job/run/part-00000.m4s", "streams/job2/stream.json")
    assert house.housekeeper.removal.remove("one")
    assert house.stored("streams/") == ["streams/job2/stream.json"]


def test_a_wanted_or_missing_session_is_left_alone(house: House) -> None:
    house.session("one", KEY)
    before = house.stored()
    assert not house.housekeeper.removal.remove("one", lambda _: False)
    assert not house.housekeeper.removal.remove("two", always)
    assert house.stored() == before


def test_a_session_used_between_look_and_removal_survives(house: House) -> None:
    house.session("one", KEY)
    house.put("outputs/one/job-12345678/video.mp4")
    house.now += 2 * DAY
    assert not house.housekeeper.removal.remove("one", renewing(house, "one"))
    record = house.records.sessions.get("one")
    assert record is not None
    assert record.expires_at == house.now + DAY
    assert house.stored("outputs/") == ["outputs/one/job-12345678/video.mp4"]
    assert house.library.refs(KEY) == ("one",)


def test_one_of_several_removers_has_it(house: House) -> None:
    for number in range(10):
        house.session(f"s{number}")
    with ThreadPoolExecutor(4) as threads:
        gone = list(threads.map(lambda n: house.housekeeper.removal.remove(f"s{n % 10}"), range(40)))
    assert sum(gone) == 10
    assert house.stored("sessions/") == []


def test_a_session_whose_removal_was_interrupted_is_gone_for_its_callers(stubborn: House) -> None:
    sessions = stubborn.records.sessions
    assert sessions.get("one") is None
    assert list(sessions.list()) == []
    assert sessions.update("one", lambda record: record.model_copy(update={"message": "late"})) is None
    assert stubborn.stored("sessions/") == ["sessions/one.json"]


def test_an_interrupted_removal_is_finished_by_a_later_sweep_and_not_before(stubborn: House) -> None:
    stubborn.now += CLAIM
    assert stubborn.housekeeper.sweep(stubborn.now).sessions == 0
    stubborn.now += SECOND
    assert stubborn.housekeeper.sweep(stubborn.now).sessions == 1
    assert stubborn.stored("sessions/") == []
    assert stubborn.stored("outputs/") == []
    assert stubborn.library.refs(KEY) == ()


def test_sessions_kept_for_ever_are_removed_to_the_end_too(stubborn: House) -> None:
    stubborn.lifetimes = replace(stubborn.lifetimes, session=None)
    stubborn.now += CLAIM + SECOND
    assert stubborn.housekeeper.sweep(stubborn.now).sessions == 1
    assert stubborn.stored("sessions/") == []


def test_nobody_takes_the_id_of_a_session_that_is_being_removed(stubborn: House) -> None:
    with pytest.raises(Overloaded, match="still being removed"):
        stubborn.session("one")
    assert sum(stubborn.pauses) > 5
    stubborn.now += CLAIM + SECOND
    new = stubborn.session("one")
    assert stubborn.records.sessions.get("one") == new


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_remover_that_was_held_up_leaves_the_rest(names: str, tmp_path: Path) -> None:
    house = House.local(tmp_path)

    class SlowStore(LocalStore):
        def delete(self, key: str) -> None:
            super().delete(key)
            house.now += HELD + SECOND

    house.session("one", KEY)
    outputs = [f"outputs/one/job-12345678/{name}" for name in names]
    house.put(*outputs)
    slow = House(tmp_path, SlowStore(tmp_path / "store"))
    removal = replace(slow.housekeeper.removal, records=house.records, clock=house.clock)
    with pytest.raises(Interrupted):
        removal.remove("one")
    assert house.stored("outputs/") == outputs[1:]
    assert house.stored("sessions/") == ["sessions/one.json"]
    assert house.library.refs(KEY) == ("one",)


def test_a_session_made_anew_while_it_is_removed_begins_after_the_removal(house: House) -> None:
    house.records = Records(house.store, house.clock)
    house.session("one", message="old")
    house.put(*(f"outputs/one/job-12345678/{number}" for number in range(30)))

    def make_anew() -> SessionRecord:
        end = time.monotonic() + 10
        while house.records.sessions.get("one") is not None and time.monotonic() < end:
            pass
        record = house.session("one", message="new")
        house.put("outputs/one/job-87654321/video.mp4")
        return record

    with ThreadPoolExecutor(1) as thread:
        anew = thread.submit(make_anew)
        assert house.housekeeper.removal.remove("one")
        record = anew.result()
    assert record.message == "new"
    assert house.records.sessions.get("one") == record
    assert house.stored("outputs/") == ["outputs/one/job-87654321/video.mp4"]
