"""The verdict on a store: what is torn, and what nothing refers to, is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.housekeeping import House
from tests.chaos.objects import torn
from tests.chaos.references import unreferenced
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64


@dataclass(frozen=True)
class Made:
    """A session with a streamed video, made by the product."""

    house: House
    objects: dict[str, bytes]
    lasting: frozenset[str]

    def key(self, part: str) -> str:
        """The first that begins so, or holds it."""
        return min((key for key in self.objects if part in key), key=lambda key: not key.startswith(part))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    ground = EngineGround(tmp_path_factory.mktemp("store")).open()
    default = talking_head(ground.folder / "avatars" / "default.mp4", 10)
    other = shutil.copy(talking_head(ground.folder / "other.mp4", 12), ground.folder / "avatars")
    session = ground.run({"action": "create_session", "avatar_video_path": str(other)})["session_id"]
    ground.run({"session_id": session, "audio_base64": wav_base64(hum(0.4)), "stream": True})
    ground.run({"audio_base64": wav_base64(hum(0.3))})
    (ground.folder / "sweeper" / "scratch").mkdir(parents=True)
    house = House(ground.engine.store, ground.folder / "sweeper", Path(default))
    return Made(house, dict(house.objects()), house.lasting())


def test_what_the_product_makes_is_whole_and_needed(made: Made) -> None:
    assert list(torn(made.objects)) == []
    assert unreferenced(made.objects, made.lasting) == set()
    assert {key.partition("/")[0] for key in made.objects} == {
        "sessions", "jobs", "outputs", "streams", "avatars", "audit", "usage", "owners",
    }  # fmt: skip


@pytest.mark.parametrize(
    "part",
    ["sessions/", "jobs/", "video.mp4", "audio.mp3", "captions.vtt", "thumbnail.jpg", "result.json", "stream.json",
     "init.mp4", "part-00000.m4s", "segment-00000.m4s", "manifest.json", "/refs/", "audit/", "usage/"],
)  # fmt: skip
def test_half_an_object_is_torn(made: Made, part: str) -> None:
    key = made.key(part)
    half = made.objects[key][: len(made.objects[key]) // 2 if part != "captions.vtt" else 3]
    assert key in torn({**made.objects, key: half})


def test_a_bundle_with_another_byte_in_it_is_torn(made: Made) -> None:
    key = made.key("frames.h264")
    altered = made.objects[key][:-1] + bytes([made.objects[key][-1] ^ 1])
    assert [each.rpartition("/")[2] for each in torn({**made.objects, key: altered})] == ["manifest.json"]
    without = {each: body for each, body in made.objects.items() if each != key}
    assert [each.rpartition("/")[2] for each in torn(without)] == ["manifest.json"]


def test_a_stream_that_lacks_a_part_is_torn(made: Made) -> None:
    without = {key: body for key, body in made.objects.items() if "part-00000" not in key}
    assert list(torn(without)) == [made.key("stream.json")]


def test_what_nothing_of_the_service_writes_is_torn(made: Made) -> None:
    assert list(torn({**made.objects, "elsewhere/thing": b"{}"})) == ["elsewhere/thing"]


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ("sessions/", {"outputs", "owners", "avatars"}),
        ("jobs/", {"outputs"}),
        ("manifest.json", {"avatars"}),
    ],
)
def test_what_belonged_to_something_that_is_gone_is_unreferenced(made: Made, lost: str, left: set[str]) -> None:
    without = {key: body for key, body in made.objects.items() if not (lost in key and ".json" in key)}
    assert left <= {key.partition("/")[0] for key in unreferenced(without)}


@pytest.mark.parametrize(
    "name",
    [
        lambda made: made.key("video.mp4").replace("outputs/", "outputs/nobody-s-"),
        lambda made: f"{made.key('video.mp4').rpartition('/')[0]}/speech/sound.pcm",
        lambda made: f"avatars/{made.key('manifest.json').split('/')[1]}/{'0' * 32}/frames.h264",
        lambda made: f"avatars/{made.key('manifest.json').split('/')[1]}/refs/nobody",
        lambda made: f"{made.key('/part-00000').rpartition('/')[0][:-1]}-/part-00000.m4s",
        lambda made: "proofs/" + "0" * 32,
        lambda made: "owners/anybody/sessions/0000000000000000-nobody",
    ],
)
def test_an_object_that_nobody_needs_is_found(made: Made, name: Callable[[Made], str]) -> None:
    planted = name(made)
    assert unreferenced({**made.objects, planted: b"{}"}, made.lasting) == {planted}


def test_the_sweeps_leave_what_is_needed_and_then_nothing_but_the_ledger_and_the_default_avatar(made: Made) -> None:
    store = made.house.store
    orphan = f"avatars/{made.key('manifest.json').split('/')[1]}/{'0' * 32}/frames.h264"
    store.put(orphan, b"left by a worker that was killed")
    assert unreferenced(made.house.objects(), made.lasting) == {orphan}
    assert made.house.sweep_after_a_day().failures == 0
    after = made.house.objects()
    assert (unreferenced(after, made.lasting), list(torn(after))) == (set(), [])
    assert {key.partition("/")[0] for key in after} == {"sessions", "avatars", "audit", "usage", "owners"}
    assert made.house.sweep_after_weeks().failures == 0
    rest = made.house.objects()
    assert {key.partition("/")[0] for key in rest} == {"avatars", "audit", "usage"}
    assert {key.split("/")[1] for key in rest if key.startswith("avatars/")} == made.lasting
