"""An avatar at rest: a silent loop that can be shown for as long as nobody speaks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.engine import Job
from engine.errors import InvalidInput
from engine.provenance.xmp import xmp_box
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineGround]:
    folder = tmp_path_factory.mktemp("idle")
    ground = EngineGround(folder).open(elevenlabs_api_key="sk_nobody", elevenlabs_base_url="http://127.0.0.1:9")
    talking_head(folder / "avatars" / "default.mp4", frames=30)
    yield ground
    assert ground.left_in_scratch() == []


def pictures(path: str) -> list[NDArray[np.uint8]]:
    """The frames' light and shade."""
    with av.open(path) as file:
        return [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in file.decode(video=0)]


def differences(frames: list[NDArray[np.uint8]]) -> list[float]:
    return [float(np.abs(one.astype(int) - other).mean()) for one, other in pairwise(frames)]


def test_a_loop_is_silent_and_its_last_frame_leads_to_its_first(ground: EngineGround) -> None:
    reply = ground.run({"idle": True})
    assert (reply["frames"], reply["duration"]) == (60, 2.4)
    assert not reply.keys() & {"audio_url", "audio_key", "voice_used"}
    assert (reply["words"], reply["tts_characters"]) == ([], 0)
    assert Path(reply["captions_url"]).read_text().strip() == "WEBVTT"
    with av.open(reply["video_url"]) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert file.duration == 2_400_000
        assert "AI-generated" in file.metadata["comment"]
    assert Path(reply["video_url"]).read_bytes().endswith(xmp_box())
    frames = pictures(reply["video_url"])
    (seam,) = differences([frames[-1], frames[0]])
    assert seam <= max(differences(frames))
    # The same frame of the avatar on its way back differs by no more than coding does; the sway by more.
    assert np.abs(frames[29].astype(int) - frames[30]).mean() < 0.5 * np.abs(frames[0].astype(int) - frames[15]).mean()


def test_the_mouth_is_at_rest_in_every_frame(ground: EngineGround, tmp_path: Path) -> None:
    avatar = pictures(str(ground.folder / "avatars" / "default.mp4"))
    reply = ground.run({"idle": True, "quality": "high"})
    shown = pictures(reply["video_url"])
    apart = [np.abs(one.astype(int) - other).max() for one, other in zip(avatar, shown[:30], strict=True)]
    spoken = pictures(ground.run({"audio_base64": wav_base64(hum(1.2)), "quality": "high"})["video_url"])
    moved = [np.abs(one.astype(int) - other).max() for one, other in zip(avatar, spoken, strict=True)]
    assert max(apart) < 30 < max(moved)


def test_a_picture_rests_for_two_seconds(ground: EngineGround) -> None:
    with av.open(str(ground.folder / "avatars" / "default.mp4")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="bgr24")
    cv2.imwrite(str(ground.folder / "avatars" / "still.png"), picture)
    reply = ground.run({"idle": True, "avatar_video_path": "still.png"})
    assert reply["duration"] == 2
    assert max(differences(pictures(reply["video_url"]))) < 3


def test_a_loop_can_be_watched_while_it_is_made(ground: EngineGround, tmp_path: Path) -> None:
    pieces: list[bytes] = []
    told: list[dict[str, Any]] = []
    job = Job("watched", {"idle": True, "stream": True, "height": 128}, fragments=pieces.append)
    reply = ground.engine.run(job, told.append, CancelToken())
    joined = tmp_path / "joined.mp4"
    joined.write_bytes(b"".join(pieces))
    with av.open(str(joined)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert "AI-generated" in file.metadata["comment"]
        assert file.streams.video[0].height == 128
    watched, stored = pictures(str(joined)), pictures(reply["video_url"])
    assert all(np.array_equal(one, other) for one, other in zip(watched, stored, strict=True))
    with av.open(told[-1]["hls_url"]) as file:
        assert sum(1 for _ in file.decode(video=0)) == 60
    assert [item["progress"] for item in told] == sorted(item["progress"] for item in told)
    assert told[-1]["progress"] == pytest.approx(1, abs=0.02)


def test_the_same_job_gives_the_stored_loop(ground: EngineGround) -> None:
    first = ground.run({"idle": True}, "loop")
    before = ground.stored()
    assert ground.run({"idle": True}, "loop")["video_key"] == first["video_key"]
    assert ground.stored() == before
    assert ground.run({"idle": True, "height": 200}, "loop")["video_key"] != first["video_key"]


def test_deleting_the_session_takes_the_loop(ground: EngineGround) -> None:
    reply = ground.run({"idle": True})
    ground.run({"action": "delete_session", "session_id": reply["session_id"]})
    assert not Path(reply["video_url"]).exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"idle": True, "text": "Hello"}, "text and idle came"),
        ({"idle": True, "audio_base64": "UklG"}, "audio_base64 and idle came"),
        ({"idle": False}, "none of them came"),
        ({"idle": True, "sync_mode": "loop"}, "leave out `sync_mode`"),
        ({"idle": "yes"}, "`idle`"),
        ({"idle": True, "start_seconds": 1.2}, "begin earlier"),
    ],
)
def test_what_is_no_loop_is_said(ground: EngineGround, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        ground.run(asked)
