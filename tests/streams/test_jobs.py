"""Jobs that ask for a stream, through the engine's door."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.engine import Engine, Job
from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from engine.streams.layout import RunKeys, StreamState
from engine.streams.run import StreamRun
from tests.engine_ground import EngineGround
from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint
from tests.streams.film import Film, packets, shown
from tests.streams.test_writer import failing
from tests.streams.watched_store import FailingStore, WatchedStore, keys_under, state_of
from tests.worker.clips import hum, talking_head, wav_base64

LONG = {"session_id": "speaker", "audio_base64": wav_base64(hum(3.3)), "stream": True}
SHORT = LONG | {"audio_base64": wav_base64(hum(0.3))}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("clip") / "face.mp4", frames=10)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> EngineGround:
    """An engine with a session, on a store that is watched."""
    ground = EngineGround(tmp_path_factory.mktemp("engine")).open()
    shutil.copy(clip, ground.folder / "avatars" / "default.mp4")
    return with_store(ground, WatchedStore(ground.folder / "store"))


@pytest.fixture
def ground(prepared: EngineGround) -> Iterator[EngineGround]:
    if not prepared.engine.sessions.exists("speaker"):
        prepared.run({"action": "create_session", "session_id": "speaker"})
    yield prepared
    assert prepared.left_in_scratch() == []


def with_store(ground: EngineGround, store: LocalStore) -> EngineGround:
    ground.engine = Engine.open(ground.settings(), store)
    return ground


def state(ground: EngineGround, job_id: str) -> StreamState:
    assert isinstance(ground.engine.store, LocalStore)
    found = state_of(ground.engine.store, job_id)
    assert found is not None
    return found


def left_of(ground: EngineGround, job_id: str) -> list[str]:
    assert isinstance(ground.engine.store, LocalStore)
    return keys_under(ground.engine.store, f"streams/{job_id}/")


def test_the_stream_is_the_finished_video(ground: EngineGround) -> None:
    reply = ground.run(LONG, "whole")
    told = state(ground, "whole")
    assert told.state == "done"
    assert [segment.seconds for segment in told.segments] == [1.0, 2.0, 0.32]
    assert told.hls_url is not None
    assert packets(told.hls_url) == packets(reply["video_url"])
    assert shown(told.hls_url) == [number / 25 for number in range(reply["frames"])]


def test_every_progress_says_where_the_stream_is_which_is_there_already(ground: EngineGround) -> None:
    told: list[dict[str, Any]] = []

    def hear(update: dict[str, Any]) -> None:
        assert Path(update["stream_url"]).exists()
        assert Path(update["hls_url"]).exists()
        told.append(update)

    ground.run(LONG, "told", hear)
    store = ground.engine.store
    assert {update["stream_url"] for update in told} == {store.url("streams/told/stream.json")}
    assert len({update["hls_url"] for update in told}) == 1
    assert (told[0]["stage"], told[0]["progress"]) == ("starting", 0.0)
    assert [update["progress"] for update in told] == sorted(update["progress"] for update in told)


def test_a_call_that_prepares_its_avatar_too_says_it_from_the_beginning(ground: EngineGround) -> None:
    told: list[dict[str, Any]] = []
    ground.run({"audio_base64": wav_base64(hum(0.3)), "stream": True}, "both", told.append)
    assert all("hls_url" in update for update in told)
    assert state(ground, "both").state == "done"


def test_a_job_that_asks_for_no_stream_has_none(ground: EngineGround) -> None:
    told: list[dict[str, Any]] = []
    ground.run(SHORT | {"stream": False}, "plain", told.append)
    assert left_of(ground, "plain") == []
    assert not any("hls_url" in update for update in told)


def test_who_takes_the_fragments_directly_gets_what_is_stored(ground: EngineGround) -> None:
    pieces: list[bytes] = []
    ground.engine.run(Job("direct", LONG, fragments=pieces.append), lambda _: None, CancelToken())
    told = state(ground, "direct")
    assert told.init_url is not None
    urls = [told.init_url, *(segment.url for segment in told.segments)]
    assert b"".join(Path(url).read_bytes() for url in urls) == b"".join(pieces)


def test_a_result_that_was_made_before_is_not_streamed_again(ground: EngineGround) -> None:
    ground.run(SHORT, "again")
    before = ground.stored()
    told: list[dict[str, Any]] = []
    ground.run(SHORT, "again", told.append)
    assert ground.stored() == before
    assert told == []


def test_with_a_callers_bucket_the_stream_lies_in_the_services_own_store(
    tmp_path: Path, clip: Path, moto: S3Endpoint
) -> None:
    ground = EngineGround(tmp_path).open(allowed_private_hosts=(urlsplit(moto.url).netloc,))
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    config = {
        "accessId": ACCESS_KEY_ID,
        "accessSecret": SECRET_ACCESS_KEY,
        "bucketName": moto.bucket,
        "endpointUrl": moto.url,
        "objectPath": "callers-streams",
    }
    job = {"audio_base64": SHORT["audio_base64"], "stream": True}
    reply = ground.engine.run(Job("theirs", job, s3_config=config), lambda _: None, CancelToken())
    told = state(ground, "theirs")
    assert reply["video_url"].startswith(moto.url)
    assert told.hls_url is not None
    assert packets(told.hls_url).video == packets(reply["video_url"]).video
    listed = moto.client().list_objects_v2(Bucket=moto.bucket, Prefix="callers-streams/")["Contents"]
    assert not [item["Key"] for item in listed if "streams/" in item["Key"].removeprefix("callers-streams/")]


def test_a_cancelled_job_leaves_nothing_half_made(ground: EngineGround) -> None:
    store, cancel = ground.engine.store, CancelToken()
    assert isinstance(store, WatchedStore)
    store.then = lambda key: cancel.cancel() if "segment-00000" in key else None
    with failing(Cancelled):
        ground.run(LONG | {"audio_base64": wav_base64(hum(20))}, "cancelled", cancel=cancel)
    store.then = lambda _: None
    assert left_of(ground, "cancelled") == ["streams/cancelled/stream.json"]
    assert state(ground, "cancelled").state == "failed"


def test_a_second_try_streams_anew(ground: EngineGround, six_seconds: Film) -> None:
    dead = StreamRun(ground.engine.store, RunKeys("retried", "dead"))
    dead.begin()
    dead.append(six_seconds.pieces)
    ground.run(SHORT, "retried")
    told = state(ground, "retried")
    assert told.run != "dead"
    assert told.state == "done"
    assert {key.split("/")[2] for key in left_of(ground, "retried")} == {"stream.json", told.run}


def test_a_deleted_session_takes_its_streams_along(ground: EngineGround) -> None:
    ground.run(SHORT, "of-the-session")
    ground.run({"action": "create_session", "session_id": "other"})
    ground.run(SHORT | {"session_id": "other"}, "of-the-other")
    ground.run({"action": "delete_session", "session_id": "speaker"})
    assert left_of(ground, "of-the-session") == []
    assert state(ground, "of-the-other").state == "done"


def test_a_store_that_fails_fails_the_job_so_that_it_can_be_tried_again(tmp_path: Path, clip: Path) -> None:
    ground = EngineGround(tmp_path).open()
    shutil.copy(clip, ground.folder / "avatars" / "default.mp4")
    ground.run({"action": "create_session", "session_id": "speaker"})
    with_store(ground, FailingStore(ground.folder / "store", "segment-00000"))
    with failing(StorageUnavailable):
        ground.run(LONG, "unlucky")
    assert state(ground, "unlucky").state == "failed"
    assert left_of(ground, "unlucky") == ["streams/unlucky/stream.json"]
    record = ground.engine.records.jobs.get("unlucky")
    assert record is not None
    assert (record.state, record.error and record.error["retryable"]) == ("failed", True)
    with_store(ground, LocalStore(ground.folder / "store"))
    ground.run(LONG, "unlucky")
    assert state(ground, "unlucky").state == "done"
