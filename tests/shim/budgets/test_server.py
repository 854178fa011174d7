"""Budgets, usage and the stop at a real server, with each backend."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from shim.auth.keys import hash_of
from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import REPOSITORY, Ground

KEYS = {name: f"ta_the-key-of-{name}" for name in ("alice", "bob", "carol")}
BUDGETS = {
    "alice": {"speech_characters_per_day": 30},
    "bob": {"concurrent_jobs": 1},
    "carol": {"gpu_seconds_per_day": 0},
}
TEXT = "Twenty characters no"
GENERATE = "/api/v1/generate/text-to-video"
STREAM = "/api/v1/generate/text-to-video-stream"


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Server]:
    ground = Ground(tmp_path_factory.mktemp("budgets"), tiny_avatar).make()
    settings = {
        "API_KEYS": ",".join(f"{name}:{hash_of(key)}" for name, key in KEYS.items()),
        "BUDGETS": json.dumps(BUDGETS),
    }
    with BACKENDS[request.param](ground, moto, settings) as server:
        yield server


def client(server: Server, name: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {KEYS[name]}"}
    return httpx.Client(base_url=server.url, timeout=60, trust_env=False, headers=headers)


@pytest.fixture(scope="module")
def sessions(server: Server) -> dict[str, str]:
    """A ready session of everybody's own."""
    made = {}
    for name in KEYS:
        with client(server, name) as http:
            made[name] = http.post("/api/v1/session/create", json={}).json()["session_id"]
            while http.get(f"/api/v1/session/{made[name]}/status").json()["status"] != "ready":
                time.sleep(0.1)
    return made


def run(server: Server, module: str, *arguments: str) -> str:
    """A command of the operator's, with the server's settings."""
    environment = {**server.ground.environment(), "PYTHONPATH": str(REPOSITORY), **server.stored.environment}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, cwd=server.ground.folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_budget_is_spent_shown_and_kept_to(server: Server, sessions: dict[str, str]) -> None:
    with client(server, "alice") as alice, client(server, "bob") as bob:
        made = alice.post(GENERATE, json={"session_id": sessions["alice"], "text": TEXT})
        assert made.status_code == 200, made.text
        for path in (GENERATE, STREAM):
            refused = alice.post(path, json={"session_id": sessions["alice"], "text": TEXT})
            assert "10 are left" in error_of(refused, 429, "budget_exceeded")["detail"]
            assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        spoken = {"session_id": sessions["alice"], "audio_base64": wav_base64(hum(0.2))}
        assert alice.post(GENERATE, json=spoken).status_code == 200
        assert bob.post(GENERATE, json={"session_id": sessions["bob"], "text": TEXT}).status_code == 200
        usage = alice.get("/api/v1/usage").json()
        (today,) = usage["days"]
        assert today["day"] == datetime.now(UTC).date().isoformat()
        assert (today["generations"], today["speech_characters"]) == (2, 20)
        assert today["video_seconds"] > made.json()["duration"]
        assert usage["budget"] == BUDGETS["alice"]
        assert usage["left"] == {"speech_characters": 10}
        assert bob.get("/api/v1/usage?days=1").json()["days"][0]["generations"] == 1
    rows = [json.loads(line) for line in run(server, "shim.usage", "--days", "1", "--json").splitlines()]
    counted = {row["owner"]: (row["generations"], row["speech_characters"]) for row in rows}
    assert counted == {"key:alice": (2, 20), "key:bob": (1, 20)}


def test_of_the_gpu_nothing_may_be_taken_without_a_budget(server: Server, sessions: dict[str, str]) -> None:
    with client(server, "carol") as carol:
        refused = carol.post(GENERATE, json={"session_id": sessions["carol"], "text": TEXT})
        error = error_of(refused, 429, "budget_exceeded")
        assert "GPU seconds" in error["detail"]
        assert carol.get("/api/v1/usage").json()["days"] == []


@pytest.mark.parametrize("days", ["0", "367", "many"])
def test_no_more_than_a_year_is_shown(server: Server, days: str) -> None:
    with client(server, "alice") as alice:
        error_of(alice.get(f"/api/v1/usage?days={days}"), 400, "invalid_input")


def test_a_browsers_token_spends_its_keys_budget_and_is_not_shown_it(server: Server, sessions: dict[str, str]) -> None:
    with client(server, "carol") as carol:
        token = carol.post("/api/v1/tokens", json={"session_id": sessions["carol"]}).json()["token"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as browser:
        spoken = {"session_id": sessions["carol"], "audio_base64": wav_base64(hum(0.2))}
        error_of(browser.post(GENERATE, json=spoken), 429, "budget_exceeded")
        error_of(browser.get("/api/v1/usage"), 403, "forbidden")


def test_one_at_a_time_means_one(server: Server, sessions: dict[str, str]) -> None:
    long = {"session_id": sessions["bob"], "audio_base64": wav_base64(hum(15))}
    with client(server, "bob") as bob, bob.stream("POST", STREAM, json=long) as stream:
        next(stream.iter_raw())
        refused = bob.post(GENERATE, json={"session_id": sessions["bob"], "text": TEXT})
        error_of(refused, 429, "budget_exceeded")


def test_the_stop_holds_within_two_seconds(server: Server, sessions: dict[str, str]) -> None:
    spoken = {"session_id": sessions["alice"], "audio_base64": wav_base64(hum(0.2))}
    with client(server, "alice") as alice:
        assert alice.post(GENERATE, json=spoken).status_code == 200
        run(server, "shim.stop", "Back at noon.")
        try:
            time.sleep(2)
            for path in (GENERATE, STREAM):
                refused = error_of(alice.post(path, json=spoken), 503, "generation_stopped")
                assert "Back at noon." in refused["detail"]
            assert alice.get(f"/api/v1/session/{sessions['alice']}/status").status_code == 200
        finally:
            run(server, "shim.stop", "--lift")
        time.sleep(2)
        assert alice.post(GENERATE, json=spoken).status_code == 200
    assert "stopped all new videos: Back at noon." in server.log()
    assert "lifted the stop" in server.log()
