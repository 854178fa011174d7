from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from engine.errors import InternalError, InvalidInput, RecordDamaged
from engine.outages import Overloaded
from engine.records import CLAIM, JobRecord, Records, SessionRecord
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from tests.store.racers import OpenStore, race

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(seconds=5)
GENERATED = {
    "session_id": "one", "duration": 1.0, "frames": 25, "captions_key": "a.vtt", "thumbnail_key": "a.jpg", "words": [],
    "renderer": "preview", "tts_characters": 0, "timings": {}, "gpu_seconds": 0.0, "warnings": [],
}  # fmt: skip
BAD_IDS = ["", "a/b", "../a", "a.json", "ä", "a b", "a\n", "x" * 65]


def a_session(session_id: str = "one", message: str = "") -> SessionRecord:
    return SessionRecord(
        session_id=session_id,
        status="preparing",
        message=message,
        input_hash="hash",
        heartbeat=START,
        created=START,
        updated=START,
    )


def a_job(job_id: str = "one") -> JobRecord:
    return JobRecord(
        job_id=job_id,
        action="generate",
        session_id="one",
        input_hash="hash",
        state="running",
        heartbeat=START,
        created=START,
        updated=START,
    )


def advance(job: JobRecord) -> JobRecord:
    return job.model_copy(update={"attempt": job.attempt + 1})


@pytest.fixture
def open_store(tmp_path: Path) -> OpenStore:
    return partial(LocalStore, tmp_path)


@pytest.fixture
def store(open_store: OpenStore) -> ObjectStore:
    return open_store()


@pytest.fixture
def records(store: ObjectStore) -> Records:
    return Records(store, lambda: LATER)


def test_what_is_created_is_got(records: Records) -> None:
    session = a_session().model_copy(update={"options": {"fps": 25, "deep": [None, {"a": 0.5}]}, "expires_at": LATER})
    assert records.sessions.create(session)
    assert records.sessions.get("one") == session
    assert records.jobs.get("one") is None


def test_records_lie_where_the_layout_says(records: Records, store: ObjectStore) -> None:
    session = a_session("s-1")
    records.sessions.create(session)
    records.jobs.create(a_job("j_1"))
    entry = records.sessions.entry(session).key
    assert [info.key for info in store.list("")] == ["jobs/j_1.json", entry, "sessions/s-1.json"]


def test_a_taken_id_is_not_created_again(records: Records) -> None:
    assert records.sessions.create(a_session(message="first"))
    assert not records.sessions.create(a_session(message="second"))
    found = records.sessions.get("one")
    assert found is not None
    assert found.message == "first"


def test_a_change_is_kept_and_stamped(records: Records) -> None:
    records.jobs.create(a_job())
    changed = records.jobs.update("one", advance)
    assert changed is not None
    assert (changed.attempt, changed.updated, changed.created) == (2, LATER, START)
    assert records.jobs.get("one") == changed


def test_no_change_writes_nothing(records: Records, store: ObjectStore) -> None:
    records.jobs.create(a_job())
    before = store.head("jobs/one.json")
    assert records.jobs.update("one", lambda job: job) == a_job()
    assert store.head("jobs/one.json") == before


def test_a_change_of_what_is_gone_is_none(records: Records) -> None:
    assert records.jobs.update("one", advance) is None
    records.jobs.create(a_job())
    records.jobs.delete("one")
    records.jobs.delete("one")
    assert records.jobs.update("one", advance) is None
    assert records.jobs.get("one") is None


def test_a_change_is_none_when_the_record_goes_meanwhile(records: Records) -> None:
    records.jobs.create(a_job())

    def vanish(job: JobRecord) -> JobRecord:
        records.jobs.delete("one")
        return advance(job)

    assert records.jobs.update("one", vanish) is None


def test_an_error_in_a_change_passes_through(records: Records) -> None:
    records.jobs.create(a_job())

    def refuse(job: JobRecord) -> JobRecord:
        raise KeyError("not mine")

    with pytest.raises(KeyError):
        records.jobs.update("one", refuse)
    assert records.jobs.get("one") == a_job()


def test_threads_lose_no_increment(records: Records) -> None:
    records.jobs.create(a_job())

    def count(_: int) -> None:
        for _turn in range(50):
            assert records.jobs.update("one", advance) is not None

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    job = records.jobs.get("one")
    assert job is not None
    assert job.attempt == 1 + 8 * 50


def create_session(store: ObjectStore, number: int) -> bool:
    return Records(store, lambda: LATER).sessions.create(a_session(message=str(number)))


def test_one_process_of_several_creates(open_store: OpenStore) -> None:
    assert sorted(race(open_store, create_session)) == [False, False, False, True]


def test_endless_collisions_end_in_an_error(store: ObjectStore) -> None:
    pauses: list[float] = []
    records = Records(store, lambda: LATER, pauses.append)
    records.jobs.create(a_job())

    def collide(job: JobRecord) -> JobRecord:
        store.put("jobs/one.json", advance(job).model_dump_json().encode())
        return job.model_copy(update={"stage": "mine"})

    with pytest.raises(Overloaded, match="Try again"):
        records.jobs.update("one", collide)
    assert pauses[0] < pauses[3]
    assert max(pauses) == pauses[-1] <= 0.5


@pytest.mark.parametrize("record_id", BAD_IDS)
def test_an_id_of_another_form_is_refused(records: Records, record_id: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: records.sessions.get(record_id),
        lambda: records.sessions.create(a_session(record_id)),
        lambda: records.sessions.update(record_id, lambda session: session),
        lambda: records.sessions.delete(record_id),
    ]
    for act in acts:
        with pytest.raises(InvalidInput, match="1 to 64 characters"):
            act()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"job_id": "one"}', b"\xff\xfe"])
def test_a_broken_record_is_a_typed_error_that_names_it(records: Records, store: ObjectStore, body: bytes) -> None:
    store.put("jobs/one.json", body)
    acts: list[Callable[[], object]] = [
        lambda: records.jobs.get("one"),
        lambda: records.jobs.update("one", advance),
    ]
    for act in acts:
        with pytest.raises(RecordDamaged, match=r"jobs/one\.json"):
            act()


@pytest.mark.parametrize(
    "damage",
    [
        {"job_id": "two"},
        {"created": "9999-12-31T23:59:59Z"},
        {"heartbeat": "0001-01-01T00:00:00+14:00"},
        {"claimed": "0001-01-01T00:00:00Z"},
        {"result": {"video_key": 7}},
        {"result": {**GENERATED, "video_key": "../outputs/video.mp4"}},
        {"error": {"code": "internal_error"}},
    ],
)
def test_a_record_that_nobody_wrote_so_is_damaged(
    records: Records, store: ObjectStore, damage: dict[str, object]
) -> None:
    whole = json.loads(a_job("one").model_dump_json())
    store.put("jobs/one.json", json.dumps({**whole, **damage}).encode())
    with pytest.raises(RecordDamaged, match=r"jobs/one\.json"):
        records.jobs.get("one")


def test_a_record_in_anothers_place_is_not_removed_for_the_other(records: Records, store: ObjectStore) -> None:
    records.sessions.create(a_session("neighbour"))
    found = store.get("sessions/neighbour.json")
    assert found is not None
    store.put("sessions/victim.json", found.body)
    with pytest.raises(RecordDamaged):
        records.sessions.delete("victim")
    assert [entry.thing_id for entry in records.sessions.index.everybodys()] == ["neighbour"]


def test_a_broken_record_hides_no_other(records: Records, store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    for job_id in ("a", "c"):
        records.jobs.create(a_job(job_id))
    store.put("jobs/b.json", b"{")
    store.put("jobs/d/e.json", b"{}")
    store.put("jobs/f.txt", b"{}")
    with caplog.at_level(logging.ERROR):
        assert [job.job_id for job in records.jobs.list()] == ["a", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        "The record jobs/b.json can't be read: delete it or put it right."
    ]


def test_a_change_that_breaks_the_record_is_not_written(records: Records) -> None:
    records.jobs.create(a_job())
    with pytest.raises(InternalError, match=r"jobs/one\.json"):
        records.jobs.update("one", lambda job: job.model_copy(update={"progress": "half"}))
    with pytest.raises(InternalError, match="another id"):
        records.jobs.update("one", lambda job: job.model_copy(update={"job_id": "two"}))
    assert records.jobs.get("one") == a_job()


def test_fields_of_a_newer_version_are_no_error(records: Records, store: ObjectStore) -> None:
    store.put("jobs/one.json", a_job().model_dump_json().replace("{", '{"colour": "red", ', 1).encode())
    assert records.jobs.get("one") == a_job()


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        a_job().model_validate({**a_job().model_dump(), "created": datetime(2026, 1, 1)})


def test_a_claimed_record_exists_for_nobody_else(records: Records, store: ObjectStore) -> None:
    records.sessions.create(a_session())
    claimed = records.sessions.claim("one", lambda session: session.status == "preparing")
    assert claimed is not None
    assert claimed.claimed == LATER
    assert records.sessions.get("one") is None
    assert records.sessions.update("one", lambda session: session.model_copy(update={"message": "late"})) is None
    assert list(records.sessions.list()) == []
    assert records.sessions.claim("one", lambda _: True) is None
    assert store.head("sessions/one.json") is not None
    records.sessions.delete("one")
    assert records.sessions.create(a_session())


def test_what_is_wanted_or_gone_is_not_claimed(records: Records) -> None:
    records.sessions.create(a_session())
    assert records.sessions.claim("one", lambda _: False) is None
    assert records.sessions.claim("two", lambda _: True) is None
    assert records.sessions.get("one") == a_session()


def test_a_claim_is_judged_again_after_a_change(records: Records) -> None:
    records.jobs.create(a_job())

    def unwanted(job: JobRecord) -> bool:
        if job.attempt == 1:
            records.jobs.update("one", advance)
        return job.attempt == 1

    assert records.jobs.claim("one", unwanted) is None
    assert records.jobs.get("one") is not None


def test_a_claim_that_was_given_up_can_be_taken_over(store: ObjectStore) -> None:
    now = START
    pauses: list[float] = []
    records = Records(store, lambda: now, pauses.append)
    records.sessions.create(a_session("kept"))
    for session_id in ("one", "two"):
        records.sessions.create(a_session(session_id))
        assert records.sessions.claim(session_id, lambda _: True)
    now = START + CLAIM
    assert list(records.sessions.claimable(lambda _: False)) == []
    with pytest.raises(Overloaded, match="removed"):
        records.sessions.create(a_session())
    now += timedelta(seconds=1)
    assert [session.session_id for session in records.sessions.claimable(lambda _: False)] == ["one", "two"]
    assert records.sessions.claim("one", lambda _: False) is not None
    assert records.sessions.create(a_session("two", message="new"))
    found = records.sessions.get("two")
    assert found is not None
    assert found.message == "new"


def claim_session(store: ObjectStore, number: int) -> bool:
    return Records(store, lambda: LATER).sessions.claim("one", lambda _: True) is not None


def test_one_process_of_several_claims(open_store: OpenStore, records: Records) -> None:
    records.sessions.create(a_session())
    assert sorted(race(open_store, claim_session)) == [False, False, False, True]
