"""What a sweep takes and what it leaves, in a local store and in a bucket."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.housekeeping.housekeeper import CLOCKS_APART, Swept
from engine.housekeeping.round import MOST_OUTAGES
from engine.lifetimes import Lifetimes
from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from engine.store.s3 import S3Store
from tests.avatar.studio import write_clip
from tests.housekeeping.house import DAY, HOUR, KEY, LIFETIMES, House
from tests.servers.endpoint import S3Endpoint

VIDEO = "outputs/one/job1-12345678/video.mp4"


def swept(**removed: int) -> Swept:
    """What a sweep says that removed these and nothing else."""
    return Swept(**(dict.fromkeys(Swept.__dataclass_fields__, 0) | removed))


def sweep_later(house: House, **later: float) -> Swept:
    """A sweep when so many days or hours more have gone by."""
    house.now += later.get("days", 0) * DAY + later.get("hours", 0) * HOUR
    return house.housekeeper.sweep(house.now)


def make_older(house: House, *keys: str) -> None:
    """Let the objects have been written two days ago."""
    then = (house.now - 2 * DAY).timestamp()
    for key in keys:
        os.utime(house.store.url(key), (then, then))


def test_an_empty_store_is_swept(house: House) -> None:
    assert house.housekeeper.sweep(house.now) == swept()


def test_everything_in_use_stays(house: House, clip: Path) -> None:
    key = house.avatar(clip)
    house.session("one", key)
    house.session("two", status="preparing")
    house.job("job1")
    house.put(VIDEO, "uploads/u", "streams/job1/init.mp4", "workers/w.json", "proofs/p", "requests/r.json")
    before = house.stored()
    assert house.housekeeper.sweep(house.now + HOUR / 2) == swept()
    assert house.stored() == before


def test_everything_expired_goes(house: House) -> None:
    house.session("one")
    house.job("job1")
    house.put(VIDEO, "outputs/one/job1-12345678/result.json", "uploads/u", "streams/job2/0.m4s", "streams/job2/1.m4s")
    house.put("workers/w.json", "proofs/p", "requests/r.json")
    house.put("accepted/job3.json", "accepted/job3.request", "pending/one/job3", "replicas/r", "tokens/t.json")
    assert sweep_later(house, days=8) == swept(
        sessions=1, uploads=1, jobs=1, streams=1, workers=1, proofs=1, requests=1
    )
    assert house.stored() == []


def test_an_avatar_outlives_its_last_session_by_a_day(house: House, clip: Path) -> None:
    key = house.avatar(clip)
    house.session("one", key, expires_at=house.now)
    make_older(house, *house.stored("avatars/"))
    assert house.housekeeper.sweep(house.now) == swept(sessions=1)
    assert sweep_later(house, hours=23.9) == swept()
    assert house.library.exists(key)
    assert sweep_later(house, hours=0.2) == swept(avatars=1)
    assert house.stored() == []


def test_the_protected_avatar_stays(house: House, clip: Path, tmp_path: Path) -> None:
    default, other = house.avatar(clip), house.avatar(write_clip(tmp_path / "other.mp4", hue=2))
    house.protected = frozenset({default})
    assert sweep_later(house, days=30) == swept(avatars=1)
    assert house.library.exists(default)
    assert not house.library.exists(other)


def test_outputs_go_by_folder_after_their_own_time(house: House) -> None:
    house.session("one", expires_at=house.now + 30 * DAY)
    house.put(VIDEO, "outputs/one/job1-12345678/speech/note.json", "outputs/one/job2-12345678/video.mp4")
    make_older(house, VIDEO, "outputs/one/job2-12345678/video.mp4")
    assert house.housekeeper.sweep(house.now) == swept(outputs=1)
    assert house.stored("outputs/") == ["outputs/one/job1-12345678/speech/note.json", VIDEO]
    assert sweep_later(house, hours=25) == swept(outputs=1)
    assert house.stored("outputs/") == []


def test_a_stream_goes_as_a_whole_after_its_last_part(house: House) -> None:
    house.lifetimes = replace(LIFETIMES, stream=HOUR / 4)
    house.put("streams/old/run/part-00000.m4s", "streams/old/stream.json")
    house.put("streams/long/run/part-00000.m4s", "streams/long/run/part-00001.m4s")
    make_older(house, "streams/old/run/part-00000.m4s", "streams/old/stream.json", "streams/long/run/part-00000.m4s")
    assert sweep_later(house, hours=0.2) == swept(streams=1)
    assert len(house.stored("streams/long/")) == 2
    assert sweep_later(house, hours=0.1) == swept(streams=1)
    assert house.stored() == []


def test_nothing_goes_before_its_time_even_where_clocks_differ(house: House) -> None:
    house.put("uploads/u")
    assert house.housekeeper.sweep(house.now + HOUR + 0.9 * CLOCKS_APART) == swept()
    assert house.housekeeper.sweep(house.now + HOUR + 1.1 * CLOCKS_APART) == swept(uploads=1)


def test_what_is_kept_for_ever_stays(house: House) -> None:
    house.lifetimes = Lifetimes(None, None, None)
    house.session("one")
    house.job("job1")
    house.put(VIDEO, "uploads/u")
    before = house.stored()
    assert sweep_later(house, days=3000) == swept()
    assert house.stored() == before


def test_the_bought_speech_of_a_job_at_work_stays(house: House) -> None:
    house.lifetimes = replace(LIFETIMES, output=HOUR / 4)
    house.session("one")
    house.put("outputs/one/job1-12345678/speech/note.json", "outputs/one/job2-12345678/speech/note.json")
    house.now += HOUR / 2
    house.job("job1", state="running")
    house.job("job2", state="failed")
    assert sweep_later(house, hours=0.4) == swept(outputs=1)
    assert house.stored("outputs/") == ["outputs/one/job1-12345678/speech/note.json"]
    assert sweep_later(house, hours=1) == swept(outputs=1)


def test_outputs_of_sessions_that_are_no_more_go_even_if_kept_for_ever(house: House) -> None:
    house.lifetimes = Lifetimes(None, None, None)
    house.session("one")
    house.put(VIDEO, "outputs/gone/job-12345678/video.mp4", "outputs/gone/job-87654321/video.mp4")
    assert sweep_later(house, hours=23) == swept()
    assert sweep_later(house, hours=2) == swept(outputs=1)
    assert house.stored("outputs/") == [VIDEO]


def test_notes_of_sessions_that_are_no_more_hold_no_avatar(house: House, clip: Path) -> None:
    key = house.avatar(clip)
    house.lifetimes = replace(LIFETIMES, session=None)
    house.session("speaking", key)
    house.session("moved", "b" * 64)
    house.session("unreadable")
    house.store.put("sessions/unreadable.json", b"{")
    for session_id in ("speaking", "moved", "gone", "unreadable"):
        house.library.add_ref(key, session_id)
    assert sweep_later(house, hours=23).refs == 0
    assert sweep_later(house, hours=2).refs == 2
    assert house.library.refs(key) == ("speaking", "unreadable")
    assert house.library.refs("b" * 64) == ("moved",)


def test_a_preparation_that_ended_without_its_avatar_does_not_keep_it(tmp_path: Path) -> None:
    """It was cancelled, or its worker died, after it had noted that it uses the avatar."""
    house = House.local(tmp_path, Lifetimes(None, DAY, DAY))
    later = house.now + 25 * HOUR
    house.session("at-work", status="preparing", heartbeat=later)
    house.session("cancelled", status="error")
    house.session("dead", status="preparing")
    for session_id in ("at-work", "cancelled", "dead"):
        house.library.add_ref(KEY, session_id)
    assert sweep_later(house, hours=25).refs == 2
    assert house.library.refs(KEY) == ("at-work",)


def test_a_preparation_that_begins_again_during_the_sweep_keeps_its_avatar(tmp_path: Path) -> None:
    house = House.local(tmp_path, Lifetimes(None, DAY, DAY))
    house.session("again", status="error")
    house.library.add_ref(KEY, "again")

    class Meanwhile(LocalStore):
        def delete(self, key: str) -> None:
            if "/refs/" in key:
                house.library.add_ref(KEY, "again")
                house.records.sessions.update(
                    "again", lambda old: old.model_copy(update={"status": "ready", "avatar_key": KEY})
                )
            super().delete(key)

    library = replace(house.library, store=Meanwhile(tmp_path / "store"))
    house.now += 25 * HOUR
    assert replace(house.housekeeper, library=library).sweep(house.now).refs == 0
    assert house.library.refs(KEY) == ("again",)


def test_one_bad_record_stops_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.session("a")
    house.session("c")
    house.store.put("sessions/b.json", b"{")
    house.store.put("jobs/bad.json", b"{")
    house.put("uploads/u", "outputs/b/job-12345678/video.mp4")
    with caplog.at_level(logging.ERROR):
        found = sweep_later(house, hours=26)
    assert (found.sessions, found.uploads, found.jobs, found.outputs, found.failures) == (2, 1, 1, 1, 0)
    assert house.stored() == ["sessions/b.json"]
    assert "sessions/b.json" in caplog.text


class BrokenStore(LocalStore):
    """Refuses to delete anything beneath uploads/."""

    def delete(self, key: str) -> None:
        if key.startswith("uploads/"):
            raise StorageUnavailable("The storage can't be written (EIO).")
        super().delete(key)


def test_what_fails_is_told_and_left_for_the_next_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = House(tmp_path, BrokenStore(tmp_path / "store"))
    house.put("uploads/u", "uploads/v", "proofs/p")
    assert sweep_later(house, days=2) == swept(proofs=1, failures=2)
    assert "uploads uploads/u: not swept: The storage can't be written (EIO)." in caplog.messages
    assert House.local(tmp_path).housekeeper.sweep(house.now) == swept(uploads=2)


def test_a_store_that_is_away_ends_the_sweep(tmp_path: Path) -> None:
    house = House(tmp_path, BrokenStore(tmp_path / "store"))
    house.put(*(f"uploads/{number}" for number in range(MOST_OUTAGES + 5)))
    with pytest.raises(StorageUnavailable):
        sweep_later(house, days=2)


def test_what_is_written_between_look_and_removal_stays(tmp_path: Path) -> None:
    class BusyStore(LocalStore):
        """Somebody uploads `u` once more whenever another upload goes."""

        def delete(self, key: str) -> None:
            super().delete(key)
            if key == "uploads/a":
                self.put("uploads/u", b"new")
                os.utime(self.url("uploads/u"), (later, later))

    house = House(tmp_path, BusyStore(tmp_path / "store"))
    house.put("uploads/a", "uploads/u")
    later = (house.now + 2 * DAY).timestamp()
    assert sweep_later(house, days=2) == swept(uploads=1)
    assert house.stored() == ["uploads/u"]


def test_what_writers_left_half_written_goes(house: House) -> None:
    left = house.folder / "store" / "+incoming" / "left"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    house.housekeeper.sweep(house.now)
    assert not left.exists()


def test_a_cancelled_sweep_stops(house: House) -> None:
    house.session("one")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        house.housekeeper.sweep(house.now + 2 * DAY, cancel)
    assert house.stored("sessions/") == ["sessions/one.json"]


def test_several_housekeepers_share_the_work(house: House, tmp_path: Path, clip: Path) -> None:
    key = house.avatar(clip)
    for number in range(12):
        house.session(f"s{number}", key, expires_at=house.now)
        house.put(f"outputs/s{number}/job-12345678/video.mp4")
    others = [House(tmp_path / str(number), LocalStore(tmp_path / "store"), now=house.now) for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda other: other.housekeeper.sweep(other.now), others))
    assert sum(each.sessions for each in found) == 12
    assert sum(each.failures for each in found) == 0
    assert {stored.split("/")[0] for stored in house.stored()} == {"avatars"}
    assert house.library.refs(key) == ()
    assert house.library.exists(key)


def test_a_bucket_is_swept_alike(moto: S3Endpoint, tmp_path: Path, clip: Path) -> None:
    house = House(tmp_path, S3Store(moto.settings()))
    key = house.avatar(clip)
    house.session("one", key)
    two = house.session("two", KEY, expires_at=house.now + 30 * DAY)
    house.put(VIDEO, "outputs/two/job-12345678/video.mp4", "uploads/u", "streams/job2/0.m4s", "workers/w.json")
    found = sweep_later(house, days=2)
    assert {kind: count for kind, count in asdict(found).items() if count} == {
        "sessions": 1,
        "outputs": 1,
        "uploads": 1,
        "streams": 1,
        "avatars": 1,
    }
    entry = house.records.sessions.entry(two).key
    assert house.stored() == [f"avatars/{KEY}/refs/two", entry, "sessions/two.json", "workers/w.json"]
