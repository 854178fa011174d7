"""A store that keeps what its records say, and each way in which one may not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import EngineError
from tests.chaos.objects import torn
from tests.chaos.store_check import faults_in
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64

SPEAKING = {"text": "One & two.", "stream": True}
Objects = dict[str, bytes]


@dataclass(frozen=True)
class Made:
    """What a real engine has stored."""

    objects: Mapping[str, bytes]

    def planted(self, plant: Callable[[Objects], None]) -> tuple[str, ...]:
        """The faults of a copy in which something was changed."""
        changed = dict(self.objects)
        plant(changed)
        return faults_in(changed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A session with a streamed video, a refused job and a cancelled one; a job with a session of its own; and a
    session that was deleted with its video."""
    ground = EngineGround(tmp_path_factory.mktemp("store")).open()
    talking_head(ground.folder / "avatars" / "default.mp4", 10)
    sound = wav_base64(hum(0.3))
    ground.run({"action": "create_session", "session_id": "kept"})
    ground.run({"session_id": "kept", **SPEAKING}, "spoken")
    with pytest.raises(EngineError):
        ground.run({"session_id": "kept", "audio_base64": "bm8gc291bmQ="}, "refused")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        ground.run({"session_id": "kept", "audio_base64": sound}, "cancelled", cancel=cancel)
    ground.run({"audio_base64": sound}, "own")
    ground.run({"action": "create_session", "session_id": "deleted"})
    ground.run({"session_id": "deleted", "audio_base64": sound}, "vain")
    ground.run({"action": "delete_session", "session_id": "deleted"})
    store = ground.engine.store
    found = ((info.key, store.get(info.key)) for info in list(store.list("")))
    return Made({key: stored.body for key, stored in found if stored is not None})


def key_of(objects: Mapping[str, bytes], *parts: str) -> str:
    """The one key that holds all of them."""
    [key] = [key for key in objects if all(part in key for part in parts)]
    return key


def without(*parts: str) -> Callable[[Objects], None]:
    def plant(objects: Objects) -> None:
        del objects[key_of(objects, *parts)]

    return plant


def told(*parts: str, **changes: Any) -> Callable[[Objects], None]:
    """Has the JSON of that object say something else; ``result_`` begins what is changed in a job's result."""

    def plant(objects: Objects) -> None:
        key = key_of(objects, *parts)
        body = json.loads(objects[key])
        for name, value in changes.items():
            place = body["result"] if name.startswith("result_") else body
            place[name.removeprefix("result_")] = value
        objects[key] = json.dumps(body).encode()

    return plant


def exchanged(part: str, *keys: tuple[str, ...]) -> Callable[[Objects], None]:
    """Two whole objects change their places."""

    def plant(objects: Objects) -> None:
        one, other = (key_of(objects, part, *each) for each in keys)
        objects[one], objects[other] = objects[other], objects[one]

    return plant


def longer_usage(objects: Objects) -> None:
    key = key_of(objects, "usage/")
    body = json.loads(objects[key])
    body["usage"]["generations"] += 1
    objects[key] = json.dumps(body).encode()


def shorter_track(objects: Objects) -> None:
    """The manifest itself vouches for what nobody can open."""
    track, manifest = key_of(objects, "track.safetensors"), key_of(objects, "manifest.json")
    objects[track] = objects[track][:-10]
    told = json.loads(objects[manifest])
    told["parts"]["track.safetensors"] = {
        "bytes": len(objects[track]),
        "sha256": hashlib.sha256(objects[track]).hexdigest(),
    }
    objects[manifest] = json.dumps(told).encode()


def half_captions(name: str) -> Callable[[Objects], None]:
    def plant(objects: Objects) -> None:
        key = key_of(objects, "spoken-", name)
        objects[key] = objects[key][: len(objects[key]) * 3 // 4]

    return plant


def test_what_the_product_stores_is_as_its_records_say(made: Made) -> None:
    states = {json.loads(body)["state"] for key, body in made.objects.items() if key.startswith("jobs/")}
    assert states >= {"done", "failed"}
    assert b"&amp;" in made.objects[key_of(made.objects, "spoken-", "captions.vtt")]
    assert (list(torn(made.objects)), faults_in(made.objects)) == ([], ())


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (without("spoken-", "video.mp4"), "jobs/spoken.json: it is done, and .*video.mp4 isn't there"),
        (without("own-", "audio.mp3"), "jobs/own.json: it is done, and .*audio.mp3 isn't there"),
        (without("own-", "result.json"), "result.json isn't there"),
        (told("own-", "result.json", frames=3), "result.json tells another result"),
        (told("jobs/own", result=None), "it is done, and has no result"),
        (told("jobs/own", job_id="another"), "jobs/own.json: it is the record of another"),
        (told("sessions/kept", session_id="another"), "sessions/kept.json: it is the record of another"),
        (exchanged("video.mp4", ("spoken-",), ("own-",)), "jobs/own.json: .*video.mp4 has .* frames, and it says 8"),
        (half_captions("captions.vtt"), "jobs/spoken.json: .*captions.vtt hasn't its words"),
        (half_captions("captions.srt"), "jobs/spoken.json: .*captions.srt hasn't its words"),
        (exchanged("captions.vtt", ("spoken-",), ("own-",)), "jobs/own.json: .*captions.vtt hasn't its words"),
        (without("segment-00000"), r"jobs/spoken.json: its stream has (\d+) frames in parts and (?!\1)\d+ in segments"),
        (without("part-00000"), r"jobs/spoken.json: its stream has (\d+) frames in parts and (?!\1)\d+ in segments"),
        (without("index.m3u8"), "jobs/spoken.json: its stream's playlist isn't the stream"),
        (without("owners/", "-kept"), "sessions/kept.json: its owner's index hasn't it"),
        (without("manifest.json"), "sessions/kept.json: it is ready, and its avatar .* isn't there"),
        (without("refs/kept"), "sessions/kept.json: nothing keeps its avatar .* for it"),
        (shorter_track, "manifest.json: the bundle can't be opened"),
        (without("audit/", "/own-"), "jobs/own.json: it is done, and the ledger doesn't say so"),
        (told("audit/", "/vain-", seconds=9.0), "jobs/vain.json: the ledger has other outputs of it"),
        (without("audit/", "/vain-"), "usage/.*: it has counted what the ledger hasn't, or twice"),
        (longer_usage, "usage/.*: it says generations=4 .*, and the ledger's entries come to generations=3 "),
    ],
)  # fmt: skip
def test_what_is_not_as_a_record_says_is_told(made: Made, plant: Callable[[Objects], None], fault: str) -> None:
    assert any(re.search(fault, sentence) for sentence in made.planted(plant))


def test_a_day_that_counts_an_entry_twice_is_told(made: Made) -> None:
    key = key_of(made.objects, "usage/")
    last = json.loads(made.objects[key])["last"]
    assert made.planted(told("usage/", last=[*last, last[0]])) == (
        f"{key}: it has counted what the ledger hasn't, or twice",
    )


def test_what_a_killed_worker_may_leave_is_no_fault(made: Made) -> None:
    def plant(objects: Objects) -> None:
        told("usage/", usage={"generations": 2}, last=[])(objects)
        told("jobs/own", state="running", result=None)(objects)
        told("stream.json", state="running", parts=None)(objects)
        told("sessions/kept", status="preparing", avatar_key=None)(objects)

    assert made.planted(plant) == ()


def test_a_session_that_was_created_anew_owes_nothing(made: Made) -> None:
    def plant(objects: Objects) -> None:
        without("spoken-", "video.mp4")(objects)
        told("jobs/spoken", updated="2020-01-01T00:00:00Z")(objects)

    assert made.planted(plant) == ()
