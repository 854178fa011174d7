"""What a generate can be asked for beside a text or a sound, over HTTP, on every backend."""

from __future__ import annotations

import io
from typing import Any

import av
import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64

PATH = "/api/v1/generate/text-to-video"


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


def told_of(video: bytes) -> tuple[list[str], int, int]:
    """The kinds of tracks, the height and the number of frames."""
    with av.open(io.BytesIO(video), "r") as file:
        tracks: list[str] = [stream.type for stream in file.streams]
        return tracks, file.streams.video[0].height, sum(1 for _ in file.decode(video=0))


def test_an_idle_loop_is_a_video_without_sound(server: Server, session: str) -> None:
    body: dict[str, Any] = {"session_id": session, "idle": True, "height": 128, "quality": "draft"}
    reply = server.http.post(PATH, json=body)
    assert reply.status_code == 200, reply.text
    made = reply.json()
    assert (made["duration"], made["words"], made["warnings"]) == (2, [], [])
    assert not made.keys() & {"audio_url", "audio_key"}
    assert told_of(server.http.get(made["video_url"]).content) == (["video"], 128, 50)
    assert server.http.get(made["captions_url"]).text.strip() == "WEBVTT"
    assert server.http.get(made["subtitles_url"]).text == ""
    assert server.http.get(made["thumbnail_url"]).status_code == 200
    error_of(server.http.get(f"/api/v1/generate/audio/audio_{made['job_id']}.mp3"), 404, "output_not_found")


def test_an_idle_loop_streams(server: Server, session: str) -> None:
    with server.http.stream("POST", f"{PATH}-stream", json={"session_id": session, "idle": True}) as reply:
        assert reply.status_code == 200
        body = b"".join(reply.iter_raw())
    assert told_of(body) == (["video"], 256, 50)
    stored = server.http.get(f"/api/v1/generate/video/output_{reply.headers['x-job-id']}.mp4")
    assert told_of(stored.content) == (["video"], 256, 50)


def test_a_height_above_the_avatars_is_warned_of(server: Server, session: str) -> None:
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2)), "height": 720}
    made = server.http.post(PATH, json=body).json()
    assert told_of(server.http.get(made["video_url"]).content)[1] == 256
    assert made["warnings"] == ["`height` is 720, and the avatar's is 256: so is the video's."]


@pytest.mark.parametrize(
    "options",
    [{"idle": True, "text": "Hello"}, {"idle": False}, {"idle": True, "height": 127}, {"idle": True, "quality": "4k"}],
)
def test_options_that_cannot_be_are_400(server: Server, session: str, options: dict[str, Any]) -> None:
    error_of(server.http.post(PATH, json={"session_id": session, **options}), 400, "invalid_input")
