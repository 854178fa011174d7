"""The server's log: what a line names, and what none shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from shim.auth.keys import hash_of
from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

KEY = "ta_this_key_may_stand_in_no_log"
SECRETS = [KEY, *(f"secret-in-{place}" for place in ("query", "header", "cookie", "body", "protocol", "token"))]
TEXT = "What is spoken stays between us."


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Server]:
    ground = Ground(tmp_path_factory.mktemp("logs"), tiny_avatar).make()
    settings = {"API_KEYS": f"shop:{hash_of(KEY)}", "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    with BACKENDS[request.param](ground, moto, settings) as server:
        server.http.headers["Authorization"] = f"Bearer {KEY}"
        yield server


def lines(server: Server) -> list[dict[str, Any]]:
    """Every line of the log is an object."""
    return [json.loads(line) for line in server.log().splitlines()]


def lines_of(server: Server, request_id: str) -> list[dict[str, Any]]:
    return [line for line in lines(server) if line.get("request_id") == request_id]


def test_a_requests_line_says_who_asked_and_what_came_of_it(guarded: Server) -> None:
    guarded.http.get("/api/v1/session/nobody/status?signature=x", headers={"X-Request-ID": "order-1"})
    wait_until(lambda: lines_of(guarded, "order-1") != [])
    (line,) = lines_of(guarded, "order-1")
    assert {"time", "level", "logger", "message"} < set(line)
    assert (line["level"], line["caller"]) == ("INFO", "shop")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/session/nobody/status", 404)
    assert line["milliseconds"] >= 0
    assert line["message"].endswith(" ms by shop")


def test_a_jobs_lines_are_found_from_its_request(guarded: Server) -> None:
    created = guarded.http.post("/api/v1/session/create", json={}, headers={"X-Request-ID": "order-2"})
    session_id = created.json()["session_id"]
    assert guarded.ended(session_id)["status"] == "ready"
    assert any(session_id in line["message"] for line in lines_of(guarded, "order-2"))
    body = {"session_id": session_id, "audio_base64": wav_base64(hum(0.2))}
    for request_id, path in (("order-3", "text-to-video"), ("order-4", "text-to-video-stream")):
        guarded.http.post(f"/api/v1/generate/{path}", json=body, headers={"X-Request-ID": request_id})
        told = lines_of(guarded, request_id)
        named = {word.strip(".") for line in told for word in (line.get("job_id", ""), *line["message"].split())}
        jobs = {key.removeprefix("jobs/").removesuffix(".json") for key in guarded.stored.keys("jobs/")}
        assert len(named & jobs) == 1


def test_no_line_shows_a_secret(guarded: Server) -> None:
    told = len(lines(guarded))
    headers = {"X-API-Key": "secret-in-header", "Cookie": "session=secret-in-cookie", "Referer": "/?k=secret-in-header"}
    asking = "token=secret-in-token&signature=secret-in-query&key=secret-in-query"
    for path in (
        "/health",
        "/nope",
        "/api/v1/voices",
        "/api/v1/session/x/status",
        "/api/v1/generate/video/output_x.mp4",
    ):
        guarded.http.get(f"{path}?{asking}", headers=headers)
        guarded.http.get(f"{path}?{asking}", headers={**headers, "Authorization": "Bearer secret-in-token"})
    for path in ("/api/v1/session/create", "/api/v1/generate/text-to-video", "/api/v1/generate/text-to-video-stream"):
        body = {"session_id": "x", "text": TEXT, "voice_id": "secret-in-body", "metadata": {"k": "secret-in-body"}}
        guarded.http.post(f"{path}?{asking}", json=body, headers=headers)
        guarded.http.post(f"{path}?{asking}", content=b'{"secret-in-body', headers=headers)
    with suppress(WebSocketException, OSError):
        connect(
            f"{guarded.url.replace('http', 'ws')}/api/v1/generate/text-to-video-stream?{asking}",
            subprotocols=["talking-avatar", "secret-in-protocol"],  # type: ignore[list-item]
            additional_headers=headers,
            proxy=None,
        ).close()
    wait_until(lambda: len(lines(guarded)) >= told + 17)
    for secret in [*SECRETS, TEXT]:
        assert secret not in guarded.log(), secret


def test_text_is_the_format_of_terminals_alone(fresh_ground: Ground) -> None:
    with Server(fresh_ground, {"LOG_FORMAT": "auto"}) as server:
        assert all(line["logger"] for line in lines(server))
