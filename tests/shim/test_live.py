"""Streams as others than their caller follow them: as one file or as HLS, while the video is made or afterwards."""

from __future__ import annotations

import io
import json
import re

import av
import pytest

from engine.streams.layout import StreamState, state_key
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until

PATH = "/api/v1/generate/text-to-video-stream"
GENERATE = "/api/v1/generate/text-to-video"
STREAM = "/api/v1/generate/stream"
TEXT = "One, two, three, four, five, six."
LONG = "This sentence is spoken again and again. " * 120


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


@pytest.fixture(scope="module")
def finished(server: Server, session: str) -> str:
    """The id of a stream whose video is finished."""
    reply = server.http.post(PATH, json={"session_id": session, "text": TEXT})
    assert reply.status_code == 200
    return str(reply.headers["x-job-id"])


def frames_of(body: bytes) -> int:
    with av.open(io.BytesIO(body), "r") as file:
        return sum(1 for _ in file.decode(video=0))


def state_of(server: Server, stream_id: str) -> StreamState:
    return StreamState.model_validate_json(server.stored.body(state_key(stream_id)))


def stored_video(server: Server, stream_id: str) -> bytes:
    """The run's init.mp4 and its parts in one."""
    state = state_of(server, stream_id)
    folder = f"streams/{stream_id}/{state.run}"
    parts = [server.stored.body(f"{folder}/part-{number:05}.m4s") for number in range(state.parts or 0)]
    return b"".join([server.stored.body(f"{folder}/init.mp4"), *parts])


def made_frames(server: Server, job_id: str) -> int:
    return int(server.stored.job(job_id)["result"]["frames"])


def test_everybody_gets_the_bytes_of_the_parts(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": TEXT}) as reply:
        own = b"".join(reply.iter_raw())
    stream_id = reply.headers["x-job-id"]
    late = server.http.get(reply.headers["x-stream-url"])
    assert late.headers["content-type"] == "video/mp4"
    assert late.headers["cache-control"] == "no-store"
    assert late.headers["transfer-encoding"] == "chunked"
    assert late.content == own == stored_video(server, stream_id)
    assert frames_of(own) == made_frames(server, stream_id) > 50


def test_it_is_followed_while_its_job_runs_and_leaving_stops_nothing(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": LONG}) as caller:
        pieces = caller.iter_raw()
        first = next(pieces)
        stream_id = caller.headers["x-job-id"]
        assert server.stored.job(stream_id)["state"] == "running"
        with server.http.stream("GET", f"{STREAM}/{stream_id}") as follower:
            assert follower.headers["x-hls-url"] == f"{STREAM}/{stream_id}/index.m3u8"
            assert next(follower.iter_raw())[:100] == first[:100]
        playlist = server.http.get(f"{STREAM}/{stream_id}/index.m3u8")
        assert "segment-00000.m4s" in playlist.text
        assert "#EXT-X-ENDLIST" not in playlist.text
        # Neither of the two has been more than a reader.
        assert server.stored.job(stream_id)["state"] == "running"
    wait_until(lambda: server.stored.job(stream_id)["state"] == "cancelled")
    for address in ("", "/index.m3u8"):
        error_of(server.http.get(f"{STREAM}/{stream_id}{address}"), 500, "interrupted")


def test_a_follower_gets_to_the_end_of_what_is_being_made(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": LONG[:250]}) as caller:
        pieces = caller.iter_raw()
        first = next(pieces)
        stream_id = caller.headers["x-job-id"]
        with server.http.stream("GET", f"{STREAM}/{stream_id}") as follower:
            followed = follower.iter_raw()
            begun = next(followed)
            assert server.stored.job(stream_id)["state"] == "running"
            body = first + b"".join(pieces)
            assert begun + b"".join(followed) == body
    assert frames_of(body) == made_frames(server, stream_id)


def test_ffmpeg_plays_the_playlist_while_it_grows(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": LONG[:200]}) as caller:
        pieces = caller.iter_raw()
        next(pieces)
        stream_id = caller.headers["x-job-id"]
        address = f"{server.url}{caller.headers['x-hls-url']}"
        with av.open(address, options={"live_start_index": "0"}) as video:
            assert server.stored.job(stream_id)["state"] == "running"
            times = [frame.time for frame in video.decode(video=0)]
        for _ in pieces:
            pass
    assert len(times) == made_frames(server, stream_id) > 100
    assert times == pytest.approx([number / 25 for number in range(len(times))], abs=1e-3)


def test_a_finished_playlist_names_files_that_stay(server: Server, finished: str) -> None:
    playlist = server.http.get(f"{STREAM}/{finished}/index.m3u8")
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert playlist.headers["cache-control"] == "no-store"
    assert playlist.text.endswith("#EXT-X-ENDLIST\n")
    assert server.http.head(f"{STREAM}/{finished}/index.m3u8").status_code == 200
    (init,) = re.findall(r'URI="([^"]+)"', playlist.text)
    named = [init, *re.findall(r"^[^#].*$", playlist.text, re.MULTILINE)]
    assert len(named) > 2
    replies = [server.http.get(f"{STREAM}/{finished}/{name}") for name in named]
    for name, reply in zip(named, replies, strict=True):
        assert reply.headers["content-type"] == "video/mp4"
        assert "immutable" in reply.headers["cache-control"]
        head = server.http.head(f"{STREAM}/{finished}/{name}")
        assert (head.headers["etag"], head.content) == (reply.headers["etag"], b"")
    assert b"".join(reply.content for reply in replies) == stored_video(server, finished)
    with av.open(f"{server.url}{STREAM}/{finished}/index.m3u8") as video:
        assert sum(1 for _ in video.decode(video=0)) == made_frames(server, finished)


def test_a_generate_is_followed_too_when_it_asks_for_it(server: Server, session: str) -> None:
    body = {"session_id": session, "text": "One, two."}
    made = server.http.post(GENERATE, json={**body, "stream": True}).json()
    assert made["warnings"] == []
    assert frames_of(server.http.get(f"{STREAM}/{made['job_id']}").content) == made["frames"]
    unstreamed = server.http.post(GENERATE, json=body).json()
    error_of(server.http.get(f"{STREAM}/{unstreamed['job_id']}"), 404, "stream_not_found")


def test_a_stream_that_failed_says_why(server: Server, session: str) -> None:
    before = server.stored.keys("jobs/")
    error_of(
        server.http.post(PATH, json={"session_id": session, "audio_base64": "bm8gc291bmQ="}), 500, "audio_unreadable"
    )
    (key,) = server.stored.keys("jobs/") - before
    stream_id = json.loads(server.stored.body(key))["job_id"]
    for address in ("", "/index.m3u8"):
        error_of(server.http.get(f"{STREAM}/{stream_id}{address}"), 500, "audio_unreadable")


@pytest.mark.parametrize("stream_id", ["unknown", "no%20id", "%2e%2e", "x" * 65, "é"])
@pytest.mark.parametrize("address", ["", "/index.m3u8", "/run/init.mp4", "/run/segment-00000.m4s"])
def test_an_unknown_stream_is_404_everywhere(server: Server, stream_id: str, address: str) -> None:
    error_of(server.http.get(f"{STREAM}/{stream_id}{address}"), 404, "stream_not_found")


@pytest.mark.parametrize(
    "address", ["/{run}/segment-00999.m4s", "/{run}/segment-0.m4s", "/{run}/segment-0000x.m4s", "/no%20run/init.mp4"]
)
def test_what_no_playlist_names_is_404(server: Server, finished: str, address: str) -> None:
    path = address.format(run=state_of(server, finished).run)
    error_of(server.http.get(f"{STREAM}/{finished}{path}"), 404, "stream_not_found")


def test_deleting_the_session_takes_its_streams_along(server: Server) -> None:
    session = server.ready()
    reply = server.http.post(PATH, json={"session_id": session, "text": "One."})
    url = reply.headers["x-stream-url"]
    assert server.http.get(url).status_code == 200
    assert server.http.delete(f"/api/v1/session/{session}").status_code == 200
    error_of(server.http.get(url), 404, "stream_not_found")
