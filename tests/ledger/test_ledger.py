"""The ledger through the engine's door: what is noted of a generation, once, and what is not."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.engine import Job
from engine.housekeeping.housekeeper import Housekeeper
from engine.housekeeping.lifecycle import lifecycle
from engine.ledger.entry import Entry
from engine.ledger.usage import OwnersDay, Usage, usage_key
from engine.lifetimes import Lifetimes
from engine.outages import StorageUnavailable
from tests.engine_ground import EngineGround
from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint
from tests.worker.clips import hum, talking_head, wav_base64

NAME = "Rumpelstiltskin"
TEXT = f"Dear {NAME}, good morning."


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("clip") / "face.mp4", frames=10)


@pytest.fixture
def ground(tmp_path: Path, clip: Path) -> Iterator[EngineGround]:
    ground = EngineGround(tmp_path).open()
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    yield ground
    assert ground.left_in_scratch() == []


def entries(ground: EngineGround) -> list[Entry]:
    found = [ground.engine.store.get(info.key) for info in ground.engine.store.list("audit/")]
    return [Entry.model_validate_json(each.body) for each in found if each is not None]


def counted(ground: EngineGround) -> list[OwnersDay]:
    found = [ground.engine.store.get(info.key) for info in ground.engine.store.list("usage/")]
    return [OwnersDay.model_validate_json(each.body) for each in found if each is not None]


def test_a_generation_is_noted_by_hashes_and_counted(ground: EngineGround, clip: Path) -> None:
    before = datetime.now(UTC)
    reply = ground.run({"text": TEXT, "owner": "key:alice", "metadata": {"for": NAME}}, "job-1")
    (entry,) = entries(ground)
    assert entry.owner == "key:alice"
    assert entry.ended == "done"
    assert entry.avatar_sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert (entry.spoken, entry.spoken_sha256) == ("text", hashlib.sha256(TEXT.encode()).hexdigest())
    assert entry.outputs == tuple(value for name, value in reply.items() if name.endswith("_key"))
    assert {key.rpartition("/")[2] for key in entry.outputs} >= {"video.mp4", "audio.mp3", "captions.vtt"}
    assert (entry.job_id, entry.session_id, entry.renderer) == ("job-1", reply["session_id"], "preview")
    assert (entry.seconds, entry.tts_characters, entry.gpu_seconds) == (reply["duration"], len(TEXT), 0.0)
    assert before <= entry.written <= datetime.now(UTC)
    (day,) = counted(ground)
    assert day.owner == "key:alice"
    assert day.usage == Usage(generations=1, video_seconds=round(reply["duration"], 3), speech_characters=len(TEXT))


def test_neither_the_text_nor_anything_else_that_was_said_lies_there(ground: EngineGround) -> None:
    ground.run({"text": TEXT, "owner": "key:alice", "metadata": {"for": NAME}, "idempotency_key": NAME})
    objects = [ground.engine.store.get(info.key) for folder in ("audit/", "usage/") for info in _list(ground, folder)]
    written = " ".join(found.info.key + found.body.decode() for found in objects if found is not None)
    assert "key:alice" in written
    assert NAME not in written
    assert "good morning" not in written


def test_a_recording_is_noted_by_the_hash_of_its_file(ground: EngineGround) -> None:
    sound = wav_base64(hum(0.2))
    ground.run({"audio_base64": sound})
    (entry,) = entries(ground)
    assert (entry.spoken, entry.tts_characters, entry.owner) == ("sound", 0, None)
    assert entry.spoken_sha256 == hashlib.sha256(base64.b64decode(sound)).hexdigest()


def test_a_job_that_comes_again_counts_once(ground: EngineGround) -> None:
    job = {"audio_base64": wav_base64(hum(0.2)), "owner": "key:alice"}
    first = ground.run(job, "job-1")
    ground.run(job, "job-1")
    Path(first["video_url"]).unlink()
    ground.run(job, "job-1")
    assert [day.usage.generations for day in counted(ground)] == [1]
    ground.run({**job, "start_seconds": 0.1}, "job-1")
    assert [day.usage.generations for day in counted(ground)] == [2]


def test_a_job_that_is_tried_again_after_midnight_keeps_its_day(ground: EngineGround) -> None:
    job = {"audio_base64": wav_base64(hum(0.2)), "owner": "key:alice"}
    reply = ground.run(job, "job-1")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    ground.engine.records.jobs.update("job-1", lambda old: old.model_copy(update={"created": yesterday}))
    Path(reply["video_url"]).unlink()
    for info in [*_list(ground, "audit/"), *_list(ground, "usage/")]:
        ground.engine.store.delete(info.key)
    ground.run(job, "job-1")
    assert [entry.day for entry in entries(ground)] == [yesterday.date()]
    assert ground.engine.store.head(usage_key(yesterday.date(), "key:alice")) is not None


def test_who_cancels_has_spent_what_was_spoken_until_then(ground: EngineGround) -> None:
    cancel = CancelToken()

    def progress(told: dict[str, Any]) -> None:
        if told["stage"] == "drawing" and told["progress"] > 0.6:
            cancel.cancel()

    with pytest.raises(Cancelled):
        ground.run({"text": TEXT, "owner": "key:alice"}, progress=progress, cancel=cancel)
    (entry,) = entries(ground)
    assert (entry.ended, entry.outputs, entry.seconds) == ("cancelled", (), 0.0)
    assert [day.usage for day in counted(ground)] == [Usage(speech_characters=len(TEXT))]


def test_what_fails_before_anything_was_spent_is_not_noted(ground: EngineGround) -> None:
    with pytest.raises(Exception, match="base64"):
        ground.run({"audio_base64": "!"})
    assert (entries(ground), counted(ground)) == ([], [])


def test_who_dies_between_entry_and_counter_leaves_an_entry_that_is_not_counted(
    ground: EngineGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counters never say more than was made; the audit says all."""
    job = {"audio_base64": wav_base64(hum(0.2)), "owner": "key:alice"}
    store = ground.engine.store
    put_if_absent = store.put_if_absent

    def failing(key: str, body: bytes, content_type: str = "") -> Any:
        if key.startswith("usage/"):
            raise StorageUnavailable("Away.")
        return put_if_absent(key, body, content_type)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_if_absent", failing)
        with pytest.raises(StorageUnavailable):
            ground.run(job, "job-1")
    assert ground.run(job, "job-1")["frames"] > 0
    assert len(entries(ground)) == 1
    assert counted(ground) == []


def test_entries_and_counters_outlive_all_else(ground: EngineGround) -> None:
    ground.run({"audio_base64": wav_base64(hum(0.2))})
    engine, hour = ground.engine, timedelta(hours=1)
    lifetimes = Lifetimes(hour, hour, hour, hour)
    later = datetime.now(UTC) + timedelta(days=1000)
    keeper = Housekeeper(engine.store, engine.records, engine.sessions.library, lifetimes, frozenset, lambda: later)
    assert keeper.sweep(later).outputs == 1
    assert (len(entries(ground)), len(counted(ground))) == (1, 1)
    rules = json.dumps(lifecycle(lifetimes, ""))
    assert "outputs/" in rules
    assert "audit" not in rules
    assert "usage" not in rules


def test_the_ledger_stays_in_the_services_store_when_the_bucket_is_the_callers(
    tmp_path: Path, clip: Path, moto: S3Endpoint
) -> None:
    ground = EngineGround(tmp_path).open(allowed_private_hosts=(urlsplit(moto.url).netloc,))
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    config = {
        "accessId": ACCESS_KEY_ID,
        "accessSecret": SECRET_ACCESS_KEY,
        "bucketName": moto.bucket,
        "endpointUrl": moto.url,
        "objectPath": "callers-ledger",
    }
    job = Job("job-1", {"audio_base64": wav_base64(hum(0.2))}, config)
    output = ground.engine.run(job, lambda _: None, CancelToken())
    assert ground.engine.store.head(output["video_key"]) is None
    (entry,) = entries(ground)
    assert entry.bucket is not None
    assert moto.bucket in entry.bucket
    assert SECRET_ACCESS_KEY not in entry.model_dump_json()
    assert entry.outputs[0] == output["video_key"]
    assert [day.usage.generations for day in counted(ground)] == [1]


def _list(ground: EngineGround, prefix: str) -> list[Any]:
    return list(ground.engine.store.list(prefix))
