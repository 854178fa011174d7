"""Avatars and sessions where keys are needed, and consent: whose they are, and the links that lead to them."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from shim.auth.keys import hash_of, mint
from shim.uploads import AT_A_TIME
from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.errors import error_of
from tests.shim.server_process import REQUEST_SECONDS, Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

PATH = "/api/v1/avatars"
CREATE = "/api/v1/session/create"
KEYS = {"alice": mint(), "bob": mint()}
SETTINGS = {
    "API_KEYS": ",".join(f"{name}:{hash_of(key)}" for name, key in KEYS.items()),
    "REQUIRE_CONSENT": "1",
    "CREATE_RATE": "30/minute",
    "SIGNING_SECRET": "a-signing-secret-of-more-than-32-bytes",
}
CONSENT = {"consent": "true"}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Server]:
    ground = Ground(tmp_path_factory.mktemp("guarded"), tiny_avatar).make()
    with BACKENDS[request.param](ground, moto, SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def alice(guarded: Server) -> Iterator[httpx.Client]:
    with client(guarded, "alice") as http:
        yield http


@pytest.fixture(scope="module")
def bob(guarded: Server) -> Iterator[httpx.Client]:
    with client(guarded, "bob") as http:
        yield http


def client(server: Server, name: str) -> httpx.Client:
    headers = {"X-API-Key": KEYS[name]}
    return httpx.Client(base_url=server.url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)


def test_whoever_uploads_slowly_leaves_places_to_others(
    guarded: Server, alice: httpx.Client, bob: httpx.Client
) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEYS['alice']}\r\nContent-Length: 1000\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; '
        'filename="a.mp4"\r\n\r\nx'
    )
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", guarded.port))) for _ in range(AT_A_TIME)]
        for connection in slow:
            connection.sendall(head.encode())
        told = [connection.recv(12) for connection in select.select(slow, [], [], 10)[0]]
        assert told[0] == b"HTTP/1.1 503"
        error_of(alice.post(PATH, files={"file": ("a.mp4", b"x")}, data=CONSENT), 503, "overloaded")
        upload(bob, b"some bytes")
    wait_until(lambda: alice.post(PATH, files={"file": ("a.mp4", b"x")}, data=CONSENT).status_code == 200)


def upload(http: httpx.Client, body: bytes) -> str:
    reply = http.post(PATH, files={"file": ("a.mp4", body)}, data=CONSENT)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["avatar_id"])


def ready(http: httpx.Client, avatar_id: str) -> str:
    created = http.post(CREATE, json={"avatar_video_path": avatar_id})
    assert created.status_code == 200, created.text
    session = str(created.json()["session_id"])
    wait_until(lambda: http.get(f"/api/v1/session/{session}/status").json()["status"] == "ready", REQUEST_SECONDS)
    return session


def ids(http: httpx.Client, kind: str) -> list[str]:
    path, name, field = {"avatars": (PATH, "avatars", "avatar_id")}.get(kind, ("/api/v1/sessions", kind, "session_id"))
    return [each[field] for each in http.get(path).json()[name]]


def test_each_lists_and_finds_its_own_alone(
    guarded: Server, alice: httpx.Client, bob: httpx.Client, tiny_avatar: Path
) -> None:
    body = tiny_avatar.read_bytes()
    of_alice, of_bob = upload(alice, body), upload(bob, body)
    session = ready(alice, of_alice)
    assert ids(alice, "avatars")[0] == of_alice
    assert ids(bob, "avatars")[0] == of_bob
    assert set(ids(alice, "avatars")).isdisjoint(ids(bob, "avatars"))
    assert ids(alice, "sessions") == [session]
    assert ids(bob, "sessions") == []
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/complete"), ("GET", "/thumbnail")):
        error_of(bob.request(method, f"{PATH}/{of_alice}{rest}"), 404, "avatar_not_found")
    error_of(bob.get(f"/api/v1/session/{session}/thumbnail"), 404, "session_not_found")
    assert alice.get(f"{PATH}/{of_alice}").json()["status"] == "ready"
    assert bob.get(f"{PATH}/{of_bob}").json()["status"] == "uploaded"
    error_of(guarded.http.get(PATH), 401, "unauthorized")
    error_of(guarded.http.get("/api/v1/sessions"), 401, "unauthorized")
    assert alice.delete(f"{PATH}/{of_alice}").status_code == 200
    assert bob.get(f"{PATH}/{of_bob}").status_code == 200
    assert alice.get(f"/api/v1/session/{session}/thumbnail").status_code == 200


def test_a_picture_s_address_opens_without_a_key(guarded: Server, alice: httpx.Client, tiny_avatar: Path) -> None:
    avatar_id = upload(alice, tiny_avatar.read_bytes() + b"\0\0\0\x08free")
    session = ready(alice, avatar_id)
    state = alice.get(f"/api/v1/session/{session}/status").json()
    listed = alice.get("/api/v1/sessions", params={"limit": "1"}).json()["sessions"][0]
    known = alice.get(f"{PATH}/{avatar_id}").json()
    for address in (state["thumbnail_url"], listed["thumbnail_url"], known["thumbnail_url"]):
        assert "signature=" in address
        assert guarded.http.get(address).content.startswith(b"\xff\xd8")
        bare, _, query = address.partition("?")
        error_of(guarded.http.get(bare), 401, "unauthorized")
        error_of(guarded.http.get(f"{bare}?{query}x"), 401, "unauthorized")
        error_of(guarded.http.delete(f"{bare.removesuffix('/thumbnail')}?{query}"), 401, "unauthorized")
    error_of(guarded.http.get(f"{PATH}/{avatar_id}?{query}"), 401, "unauthorized")


@pytest.mark.parametrize("guarded", ["in-process"], indirect=True)
def test_an_upload_s_address_takes_its_file_without_a_key_and_nothing_else(
    guarded: Server, alice: httpx.Client, tiny_avatar: Path
) -> None:
    body = tiny_avatar.read_bytes()
    address = alice.post(PATH, json={"bytes": len(body), "consent": True}).json()
    other = alice.post(PATH, json={"bytes": len(body), "consent": True}).json()
    url = address["upload_url"]
    assert "signature=" in url
    bare, _, query = url.partition("?")
    error_of(guarded.http.put(bare, content=body), 401, "unauthorized")
    error_of(guarded.http.put(f"{other['upload_url'].partition('?')[0]}?{query}", content=body), 401, "unauthorized")
    error_of(guarded.http.get(url), 401, "unauthorized")
    error_of(guarded.http.post(f"{PATH}/{address['avatar_id']}/complete?{query}"), 401, "unauthorized")
    assert guarded.http.put(url, content=body).status_code == 204
    assert alice.post(f"{PATH}/{address['avatar_id']}/complete").status_code == 200


@pytest.mark.parametrize("said", [None, "false", "", "0"])
def test_an_upload_without_consent_is_refused_and_leaves_nothing(
    guarded: Server, alice: httpx.Client, said: str | None
) -> None:
    before = guarded.stored.keys("uploads/")
    data = {} if said is None else {"consent": said}
    error_of(alice.post(PATH, files={"file": ("a.mp4", b"face")}, data=data), 403, "consent_required")
    error_of(alice.post(PATH, json={"bytes": 4}), 403, "consent_required")
    error_of(alice.post(PATH, json={"bytes": 4, "consent": False}), 403, "consent_required")
    assert guarded.stored.keys("uploads/") == before


def test_consent_is_noted_with_the_avatar_wherever_it_stands_in_the_form(alice: httpx.Client, guarded: Server) -> None:
    part = "--b\r\nContent-Disposition: form-data; name="
    file = f'{part}"file"; filename="a.mp4"\r\n\r\nface\r\n'
    stated = f'{part}"consent"\r\n\r\ntrue\r\n'
    for form in (file + stated, stated + file):
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        reply = alice.post(PATH, content=f"{form}--b--\r\n", headers=headers)
        assert reply.json()["consent"] is True
        record = guarded.stored.body(f"uploaded/{reply.json()['avatar_id']}.json")
        assert b'"consented":"20' in record
        assert b'"owner":"key:alice"' in record
    odd = alice.post(PATH, files={"file": ("a.mp4", b"face")}, data={"consent": "perhaps"})
    error_of(odd, 400, "invalid_input")


def test_an_avatar_from_a_url_needs_consent_on_every_path(alice: httpx.Client) -> None:
    avatar = {"avatar_video_path": "https://192.0.2.1/face.mp4"}
    said: dict[str, Any] = {**avatar, "audio_base64": wav_base64(hum(0.1))}
    paths = ("text-to-video", "text-to-video-stream", "text-to-video?async=true", "text-to-video-stream?async=true")
    for path, body in ((CREATE, avatar), *((f"/api/v1/generate/{path}", said) for path in paths)):
        error_of(alice.post(path, json=body), 403, "consent_required")
        error_of(alice.post(path, json={**body, "consent": False}), 403, "consent_required")
        error_of(alice.post(path, json={**body, "consent": "true"}), 400, "invalid_input")
    refused = alice.post(CREATE, json={**avatar, "consent": True})
    assert refused.json().get("error") != "consent_required"


def test_an_avatar_from_a_url_needs_consent_over_a_websocket_too(guarded: Server) -> None:
    url = guarded.url.replace("http:", "ws:") + "/api/v1/generate/text-to-video-stream"
    asked = {"avatar_video_path": "https://192.0.2.1/face.mp4", "audio_base64": wav_base64(hum(0.1))}
    with connect(url, proxy=None, additional_headers={"X-API-Key": KEYS["alice"]}) as socket:
        socket.send(json.dumps(asked))
        assert json.loads(socket.recv())["error"] == "consent_required"


def test_the_limits_tell_that_consent_is_needed_and_how_often_one_may_ask(alice: httpx.Client) -> None:
    told = alice.get("/api/v1/limits").json()
    assert told["avatar"]["needs_consent"] is True
    assert told["avatar"]["bytes"] == told["avatar"]["announced_bytes"] == 2_000_000
    assert told["audio"]["bytes"] == 500_000
    assert told["rates"]["create"] == {"requests": 30, "seconds": 60}
    assert told["metadata"] == {"bytes": 1024}
    assert told["video"]["qualities"] == ["draft", "standard", "high"]
    created = alice.post(CREATE, json={"consent": True})
    assert created.json()["warnings"] == []
