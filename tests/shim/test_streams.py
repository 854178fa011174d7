"""Videos that are sent while they are made: as chunks and over a WebSocket."""

from __future__ import annotations

import io
import json
from typing import Any

import av
import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.shim.errors import assert_form, error_of
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64

PATH = "/api/v1/generate/text-to-video-stream"
GENERATE = "/api/v1/generate/text-to-video"
HERE = pytest.mark.parametrize("server", ["in-process"], indirect=True)
LONG = "This sentence is spoken again and again. " * 120


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


def frames_of(body: bytes) -> int:
    with av.open(io.BytesIO(body), "r") as file:
        return sum(1 for _ in file.decode(video=0))


def job(server: Server, job_id: str) -> dict[str, Any]:
    """The job's record as it lies in the store."""
    return server.stored.job(job_id)


def socket_of(server: Server) -> ClientConnection:
    return connect(server.url.replace("http:", "ws:") + PATH, proxy=None, max_size=None)


def test_the_video_comes_in_chunks_and_is_stored_too(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": "One, two, three, four."}) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "video/mp4"
        assert reply.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in reply.headers
        body = b"".join(reply.iter_raw())
    job_id = reply.headers["x-job-id"]
    assert reply.headers["x-stream-url"] == f"/api/v1/generate/stream/{job_id}"
    assert reply.headers["x-hls-url"] == f"/api/v1/generate/stream/{job_id}/index.m3u8"
    record = job(server, job_id)
    assert record["state"] == "done"
    assert body[4:8] == b"ftyp"
    assert body.count(b"moof") > 2
    assert frames_of(body) == record["result"]["frames"] > 25
    stored = server.http.get(f"/api/v1/generate/video/output_{job_id}.mp4")
    assert frames_of(stored.content) == record["result"]["frames"]


def test_a_client_that_leaves_cancels_its_job(server: Server, session: str) -> None:
    with server.http.stream("POST", PATH, json={"session_id": session, "text": LONG}) as reply:
        assert reply.status_code == 200
        next(reply.iter_raw())
        job_id = reply.headers["x-job-id"]
        assert job(server, job_id)["state"] == "running"
    wait_until(lambda: job(server, job_id)["state"] == "cancelled")
    assert not server.stored.keys(f"outputs/{session}/{job_id}")


@HERE
def test_above_the_limit_503_before_anything_begins(server: Server, session: str) -> None:
    asked = {"session_id": session, "text": LONG}
    with server.http.stream("POST", PATH, json=asked), server.http.stream("POST", PATH, json=asked):
        before = server.stored.keys("jobs/")
        for path in (PATH, GENERATE):
            reply = server.http.post(path, json={"session_id": session, "text": "One too many."})
            assert error_of(reply, 503, "overloaded")["retryable"] is True
            assert int(reply.headers["retry-after"]) >= 1
        with socket_of(server) as socket:
            socket.send(json.dumps({"session_id": session, "text": "One too many."}))
            assert json.loads(socket.recv())["error"] == "overloaded"
        assert server.stored.keys("jobs/") == before
        assert server.create() != ""
    wait_until(lambda: server.http.post(GENERATE, json={"session_id": session, "text": "Free."}).status_code == 200)


def test_deleting_the_session_breaks_its_stream(server: Server) -> None:
    session = server.ready()
    with server.http.stream("POST", PATH, json={"session_id": session, "text": LONG}) as reply:
        chunks = reply.iter_raw()
        next(chunks)
        assert server.http.delete(f"/api/v1/session/{session}").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in chunks:
                pass
    record = job(server, reply.headers["x-job-id"])
    assert record["state"] == "cancelled"
    assert not server.stored.keys(f"outputs/{session}/")


def test_a_stream_takes_no_idempotency_key(server: Server, session: str) -> None:
    reply = server.http.post(PATH, json={"session_id": session, "text": "Twice.", "idempotency_key": "x"})
    error_of(reply, 400, "invalid_input")


def test_the_socket_sends_fragments_between_messages(server: Server, session: str) -> None:
    messages: list[dict[str, Any]] = []
    body = b""
    with socket_of(server) as socket:
        socket.send(json.dumps({"session_id": session, "text": "One, two, three, four.", "colour": "red"}))
        for message in socket:
            if isinstance(message, bytes):
                assert messages
                body += message
            else:
                messages.append(json.loads(message))
    start, *progress, end = messages
    assert start["type"] == "start"
    # An endpoint's worker writes its progress down every few seconds, too seldom for a short video.
    assert {message["type"] for message in progress} == {"progress"} or (server.queue is not None and not progress)
    shares = [message["progress"] for message in progress]
    assert shares == sorted(shares)
    assert end["type"] == "end"
    assert end["job_id"] == start["job_id"]
    assert start["warnings"] == end["warnings"] == ["`colour` is not known here and was ignored."]
    assert frames_of(body) == end["frames"]
    assert server.http.get(end["video_url"]).status_code == 200
    assert set(end) >= {"video_url", "audio_url", "duration", "captions_url", "thumbnail_url", "words"}


@pytest.mark.parametrize(
    ("first", "code", "close"),
    [
        ('{"session_id": "abc123", "text": "Hello"}', "session_not_found", 1008),
        ('{"text": "Hello"}', "invalid_input", 1008),
        ("no json", "invalid_input", 1008),
        (b"\xff\xfe", "invalid_input", 1008),
    ],
)
def test_the_sockets_errors_have_the_form(server: Server, first: str | bytes, code: str, close: int) -> None:
    with socket_of(server) as socket:
        socket.send(first)
        error = json.loads(socket.recv())
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv()
    assert error["type"] == "error"
    assert error["error"] == code
    assert_form(error)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == close


def test_a_sockets_failure_after_work_began_has_its_code(server: Server, session: str) -> None:
    with socket_of(server) as socket:
        socket.send(json.dumps({"session_id": session, "audio_base64": "bm8gc291bmQgYXQgYWxs"}))
        while (error := json.loads(socket.recv()))["type"] != "error":
            assert error["type"] in ("start", "progress")
        with pytest.raises(ConnectionClosedError, match="1011"):
            socket.recv()
    assert error["error"] == "audio_unreadable"


def test_a_socket_that_closes_cancels_its_job(server: Server, session: str) -> None:
    with socket_of(server) as socket:
        socket.send(json.dumps({"session_id": session, "text": LONG}))
        start = json.loads(socket.recv())
    job_id = start["job_id"]
    assert start["stream_url"] == f"/api/v1/generate/stream/{job_id}"
    assert start["hls_url"] == f"/api/v1/generate/stream/{job_id}/index.m3u8"
    wait_until(lambda: job(server, job_id)["state"] == "cancelled")
    assert server.http.get("/health").status_code == 200


def test_a_recording_can_be_streamed(server: Server, session: str) -> None:
    reply = server.http.post(PATH, json={"session_id": session, "audio_base64": wav_base64(hum(1.0))})
    assert frames_of(reply.content) == 25
