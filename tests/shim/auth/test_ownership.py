"""What one owner has made is for every other one as if it weren't there, with both backends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from shim.auth.keys import hash_of, mint
from tests.servers.endpoint import S3Endpoint
from tests.shim.auth.signing import SECRET, secret_token
from tests.shim.backends import BACKENDS
from tests.shim.errors import error_of
from tests.shim.server_process import REQUEST_SECONDS, Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

GENERATE = "/api/v1/generate/text-to-video"
STREAM = f"{GENERATE}-stream"
SOUND = wav_base64(hum(0.3))
KEYS = {"alice": mint(), "bob": mint()}
SETTINGS = {
    "API_KEYS": ",".join(f"{name}:{hash_of(key)}" for name, key in KEYS.items()),
    "JWT_SECRET": SECRET,
    "LOG_LEVEL": "DEBUG",
}


@dataclass(frozen=True)
class Somebody:
    """A caller with a key, and what was made with it."""

    server: Server
    http: httpx.Client
    key: str
    avatar_id: str
    session_id: str
    video: dict[str, Any]

    @classmethod
    def of(cls, server: Server, key: str, avatar: bytes) -> Somebody:
        headers = {"Authorization": f"Bearer {key}"}
        http = httpx.Client(base_url=server.url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)
        avatar_id = http.post("/api/v1/avatars", files={"file": ("avatar.mp4", avatar)}).json()["avatar_id"]
        created = http.post("/api/v1/session/create", json={"avatar_video_path": avatar_id})
        session_id = str(created.json()["session_id"])
        status = f"/api/v1/session/{session_id}/status"
        wait_until(lambda: http.get(status).json()["status"] == "ready", REQUEST_SECONDS)
        body = {"session_id": session_id, "audio_base64": SOUND, "idempotency_key": "order-7"}
        return cls(server, http, key, avatar_id, session_id, http.post(GENERATE, json=body).json())

    def files(self) -> list[str]:
        return [str(self.video[name]) for name in self.video if name.endswith("_url") and name != "download_url"]


@dataclass(frozen=True)
class Both:
    server: Server
    alice: Somebody
    bob: Somebody
    stream_id: str

    def stream_paths(self) -> list[str]:
        """Every address of Alice's stream."""
        base = f"/api/v1/generate/stream/{self.stream_id}"
        playlist = self.alice.http.get(f"{base}/index.m3u8").text
        named = re.findall(r'URI="([^"]+)"|^([^#\s].*)$', playlist, re.MULTILINE)
        return [base, f"{base}/index.m3u8", *(f"{base}/{one or other}" for one, other in named)]


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Both]:
    """Alice and Bob have uploaded the same video."""
    ground = Ground(tmp_path_factory.mktemp("owned"), tiny_avatar).make()
    with BACKENDS[request.param](ground, moto, SETTINGS) as server:
        alice, bob = (Somebody.of(server, key, tiny_avatar.read_bytes()) for key in KEYS.values())
        reply = alice.http.post(STREAM, json={"session_id": alice.session_id, "audio_base64": SOUND})
        assert reply.status_code == 200
        yield Both(server, alice, bob, reply.headers["x-job-id"])
        for somebody in (alice, bob):
            somebody.http.close()


def same_as_nothing(http: httpx.Client, method: str, path: str, part: str, status: int = 404, **request: Any) -> None:
    """The reply is the one that comes where there is nothing: not a byte tells them apart."""
    nothing = "0" * len(part)
    body = json.loads(json.dumps(request).replace(part, nothing))
    found = http.request(method, path, **request)
    missed = http.request(method, path.replace(part, nothing), **body)
    assert found.status_code == missed.status_code == status
    told, expected = found.json(), missed.json()
    del told["request_id"], expected["request_id"]
    assert json.dumps(told).replace(part, nothing) == json.dumps(expected)


def test_each_finds_its_own(both: Both) -> None:
    for somebody in (both.alice, both.bob):
        status = somebody.http.get(f"/api/v1/session/{somebody.session_id}/status")
        assert status.json()["avatar_prepared"] is True
        assert len(somebody.files()) == 5
        for path in somebody.files():
            assert somebody.http.get(path).status_code == 200
    for path in both.stream_paths():
        assert both.alice.http.get(path).status_code == 200


def test_sessions_of_others_are_not_there(both: Both) -> None:
    other = both.alice.session_id
    same_as_nothing(both.bob.http, "GET", f"/api/v1/session/{other}/status", other)
    same_as_nothing(both.bob.http, "DELETE", f"/api/v1/session/{other}", other)
    body = {"session_id": other, "audio_base64": SOUND}
    same_as_nothing(both.bob.http, "POST", GENERATE, other, json=body)
    same_as_nothing(both.bob.http, "POST", STREAM, other, json=body)
    assert both.alice.http.get(f"/api/v1/session/{other}/status").status_code == 200


def test_a_websocket_finds_no_session_of_others(both: Both) -> None:
    url = both.server.url.replace("http:", "ws:") + STREAM
    with connect(url, proxy=None, additional_headers={"X-API-Key": both.bob.key}) as socket:
        socket.send(json.dumps({"session_id": both.alice.session_id, "audio_base64": SOUND}))
        assert json.loads(socket.recv())["error"] == "session_not_found"
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"] == "unauthorized"


def test_files_and_streams_of_others_are_not_there(both: Both) -> None:
    for path in both.alice.files():
        same_as_nothing(both.bob.http, "GET", path, str(both.alice.video["job_id"]))
        assert both.bob.http.head(path).status_code == 404
    for path in both.stream_paths():
        same_as_nothing(both.bob.http, "GET", path, both.stream_id)


def test_an_upload_of_others_is_no_avatar(both: Both) -> None:
    other = both.alice.avatar_id
    same_as_nothing(both.bob.http, "POST", "/api/v1/session/create", other, 400, json={"avatar_video_path": other})
    for path in (GENERATE, STREAM):
        body = {"avatar_video_path": other, "audio_base64": SOUND}
        same_as_nothing(both.bob.http, "POST", path, other, 400, json=body)
    folders = {key.rpartition("/")[0] for key in both.server.stored.keys("uploads/")}
    assert len(folders) == 2
    for folder in folders:
        named = {"avatar_video_path": folder.removeprefix("uploads/")}
        error_of(both.bob.http.post("/api/v1/session/create", json=named), 400, "avatar_not_found")


def test_a_taken_id_says_nothing_of_its_session(both: Both) -> None:
    told = {
        error_of(
            both.bob.http.post("/api/v1/session/create", json={"session_id": both.alice.session_id, **fields}),
            409,
            "conflict",
        )["detail"]
        for fields in ({}, {"avatar_video_path": both.bob.avatar_id}, {"extra_margin": 20})
    }
    assert len(told) == 1
    own = both.alice.http.post("/api/v1/session/create", json={"session_id": both.alice.session_id})
    assert "another avatar" in error_of(own, 409, "conflict")["detail"]


def test_an_owner_can_not_be_claimed_in_a_body(both: Both) -> None:
    body = {"session_id": both.alice.session_id, "audio_base64": SOUND, "owner": "key:alice"}
    error_of(both.bob.http.post(GENERATE, json=body), 404, "session_not_found")
    created = both.bob.http.post("/api/v1/session/create", json={"owner": "key:alice"}).json()
    assert "`owner`" in created["warnings"][0]
    record = json.loads(both.server.stored.body(f"sessions/{created['session_id']}.json"))
    assert record["owner"] == "key:bob"


def test_equal_idempotency_keys_of_two_owners_name_two_videos(both: Both) -> None:
    assert both.alice.video["job_id"] != both.bob.video["job_id"]
    assert both.server.stored.job(both.alice.video["job_id"])["owner"] == "key:alice"
    assert both.server.stored.job(both.bob.video["job_id"])["owner"] == "key:bob"
    body = {"session_id": both.alice.session_id, "audio_base64": SOUND, "idempotency_key": "order-7"}
    assert both.alice.http.post(GENERATE, json=body).json()["job_id"] == both.alice.video["job_id"]


def test_a_token_owns_what_its_subject_made(both: Both) -> None:
    def http(subject: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret_token(sub=subject)}"}

    created = both.server.http.post("/api/v1/session/create", headers=http("carol")).json()
    path = f"/api/v1/session/{created['session_id']}/status"
    assert both.server.http.get(path, headers=http("carol")).status_code == 200
    for headers in (http("dave"), http("key:alice"), {"X-API-Key": KEYS["alice"]}):
        error_of(both.server.http.get(path, headers=headers), 404, "session_not_found")


def test_an_owner_s_deletion_takes_nothing_of_another_s(both: Both) -> None:
    created = both.bob.http.post("/api/v1/session/create", json={"avatar_video_path": both.bob.avatar_id}).json()
    assert both.bob.http.delete(f"/api/v1/session/{created['session_id']}").status_code == 200
    error_of(both.bob.http.get(f"/api/v1/session/{created['session_id']}/status"), 404, "session_not_found")
    assert both.alice.http.get(both.alice.files()[0]).status_code == 200


@pytest.mark.parametrize("both", ["in-process"], indirect=True)
def test_where_everybody_is_let_in_what_owners_made_is_not_there(both: Both) -> None:
    with Server(both.server.ground) as anonymous:
        error_of(anonymous.http.get(f"/api/v1/session/{both.alice.session_id}/status"), 404, "session_not_found")
        error_of(anonymous.http.get(both.alice.files()[0]), 404, "output_not_found")
        avatar = {"avatar_video_path": both.alice.avatar_id}
        error_of(anonymous.http.post("/api/v1/session/create", json=avatar), 400, "avatar_not_found")
        nobodys = anonymous.create()
        error_of(both.alice.http.get(f"/api/v1/session/{nobodys}/status"), 404, "session_not_found")


def test_nothing_of_keys_and_tokens_stands_in_the_log(both: Both) -> None:
    token = secret_token()
    both.server.http.get("/api/v1/session/x/status", headers={"Authorization": f"Bearer {token}"})
    both.server.http.get("/api/v1/session/x/status", headers={"Authorization": "Bearer a-wrong-key"})
    log = both.server.log()
    assert "/api/v1/session/x/status" in log
    for secret in (*KEYS.values(), *map(hash_of, KEYS.values()), SECRET, token, "a-wrong-key", "Bearer"):
        assert secret not in log
