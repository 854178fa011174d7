"""A server that is killed in the middle of everything leaves nothing half visible, and every session ends."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import before_an_endpoint
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, talking_head, wav_base64
from tests.worker.worker_process import Ground

GENERATE = "/api/v1/generate/text-to-video"
LONG = "This sentence is spoken again and again. " * 120


@pytest.fixture
def server(fresh_ground: Ground) -> Iterator[Server]:
    with Server(fresh_ground, {"MAX_CONCURRENCY": "4"}) as server:
        yield server


def records(server: Server, folder: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (server.ground.store / folder).glob("*.json")]


def ask(server: Server, path: str, session_id: str, sentences: int = 120) -> threading.Thread:
    """A request in the background that doesn't mind how it ends."""

    def work() -> None:
        with suppress(httpx.TransportError):
            httpx.post(
                f"{server.url}{path}", json={"session_id": session_id, "text": LONG[: 40 * sentences]}, timeout=60
            )

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def begin_upload(server: Server, announced: int = 9_000_000, sent: int = 2_000_000) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /api/v1/avatars HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {announced}\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n{part}".encode() + b"x" * sent)
    return connection


@pytest.mark.timeout(120)
def test_a_crash_in_the_middle_of_everything(server: Server) -> None:
    talking_head(server.ground.avatars / "long.mp4", frames=250)
    session = server.ready()
    done = server.http.post(GENERATE, json={"session_id": session, "audio_base64": wav_base64(hum(0.2))}).json()
    asking = [ask(server, path, session) for path in (GENERATE, f"{GENERATE}-stream")]
    upload = begin_upload(server)
    wait_until(lambda: [record["state"] for record in records(server, "jobs")].count("running") == 2)
    wait_until(lambda: any((server.ground.store / "+incoming").iterdir()))
    preparing = server.create(avatar_video_path="long.mp4")
    server.kill()
    for thread in asking:
        thread.join()
    upload.close()
    assert [record["status"] for record in records(server, "sessions")].count("preparing") == 1

    server.start()
    assert server.status(session)["status"] == "ready"
    assert server.ended(preparing)["status"] == "ready"
    wait_until(lambda: all(record["state"] != "running" for record in records(server, "jobs")), 40)
    interrupted = [record for record in records(server, "jobs") if record["state"] == "failed"]
    assert [record["error"]["code"] for record in interrupted] == ["interrupted", "interrupted"]
    for record in interrupted:
        reply = server.http.get(f"/api/v1/generate/video/output_{record['job_id']}.mp4")
        assert reply.status_code == 404
    assert not server.ground.stored("uploads/")
    assert server.http.get(done["video_url"]).status_code == 200
    again = server.http.post(GENERATE, json={"session_id": session, "audio_base64": wav_base64(hum(0.2))})
    assert again.status_code == 200


@pytest.mark.timeout(120)
def test_a_crash_in_front_of_an_endpoint_loses_nothing_that_its_worker_does(
    fresh_ground: Ground, moto: S3Endpoint
) -> None:
    talking_head(fresh_ground.avatars / "long.mp4", frames=250)
    with before_an_endpoint(fresh_ground, moto) as server:
        session = server.ready()
        asking = ask(server, GENERATE, session, sentences=5)
        upload = begin_upload(server, 1_500_000, 1_000_000)
        preparing = server.create(avatar_video_path="long.mp4")
        wait_until(lambda: len(server.stored.keys("jobs/")) == 1)
        server.kill()
        asking.join()
        upload.close()
        server.start()
        (key,) = server.stored.keys("jobs/")
        assert server.ended(preparing)["status"] == "ready"
        job_id = key.removeprefix("jobs/").removesuffix(".json")
        wait_until(lambda: server.stored.job(job_id)["state"] == "done", 40)
        assert server.http.head(f"/api/v1/generate/video/output_{job_id}.mp4").status_code == 200
        assert not server.stored.keys("uploads/")


@pytest.mark.timeout(60)
def test_a_server_that_is_told_to_stop_ends_what_it_does(server: Server) -> None:
    session = server.ready()
    asking = ask(server, f"{GENERATE}-stream", session)
    upload = begin_upload(server)
    wait_until(lambda: "running" in [record["state"] for record in records(server, "jobs")])
    wait_until(lambda: any((server.ground.store / "+incoming").iterdir()))
    assert server.stop() == -signal.SIGTERM
    asking.join()
    upload.close()
    assert [record["state"] for record in records(server, "jobs")] == ["cancelled"]
    assert not server.ground.half_made()
    assert "Traceback" not in server.log()


def test_a_taken_port_is_told(server: Server) -> None:
    second = Server(server.ground, {"PORT": str(server.port)})
    second.http.close()
    second.launch()
    assert second.exit_code() != 0
    assert "address already in use" in second.log()
