"""Bodies and messages that nobody would write: whatever comes, the answer is one that is described, and nothing stays
behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from engine.schemas import CreateSession, Generate
from tests.shim.errors import assert_form
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.worker_process import Ground

BOUNDARY = b"seam"
LIMITS = {"CREATE_RATE": "", "MAX_AVATAR_BYTES": "5000", "MAX_TEXT_CHARACTERS": "20", "MAX_AUDIO_BYTES": "2000"}
DOORS = (
    "/api/v1/session/create",
    "/api/v1/generate/text-to-video",
    "/api/v1/generate/text-to-video?async=true",
    "/api/v1/generate/text-to-video-stream",
    "/api/v1/tokens",
    "/api/v1/avatars",
)
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path) -> Iterator[Server]:
    with Server(Ground(tmp_path_factory.mktemp("fuzz"), tiny_avatar).make(), LIMITS) as server:
        yield server
        assert "Traceback" not in server.log()


def assert_described(reply: httpx.Response, allowed: set[int]) -> None:
    assert reply.status_code in allowed, reply.text
    if reply.status_code >= 400:
        assert_form(reply.json())


def part(name: bytes, body: bytes, filename: bytes = b'; filename="f"') -> bytes:
    heads = b'Content-Disposition: form-data; name="' + name + b'"' + filename + b"\r\n\r\n"
    return b"--" + BOUNDARY + b"\r\n" + heads + body + b"\r\n"


SHARDS = st.one_of(
    st.sampled_from(
        [
            b"--" + BOUNDARY,
            b"--" + BOUNDARY + b"--",
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"\r",
            b'Content-Disposition: form-data; name="file"; filename="x"',
            b"Content-Disposition: form-data; name=file",
            b"Content-Disposition: form-data; name*=utf-8''file; filename*=utf-8''%ff",
            b"Content-Type: multipart/mixed; boundary=other",
            b"Content-Transfer-Encoding: base64",
            b"A" * 5000,
            b": ",
            b"\x00",
        ]
    ),
    st.binary(max_size=64),
    st.builds(part, st.sampled_from([b"file", b"consent", b"FILE", b""]), st.binary(max_size=200)),
    st.builds(part, st.just(b"consent"), st.binary(max_size=20), st.just(b"")),
)
TYPES = st.sampled_from(
    [
        b"multipart/form-data; boundary=seam",
        b'multipart/form-data; boundary="seam"; charset=x',
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"s" * 71,
        b"multipart/mixed; boundary=seam",
        b"text/plain",
        b"\xff",
    ]
)


@FUZZ
@given(st.lists(SHARDS, max_size=8), TYPES, st.booleans())
@example([part(b"file", b"video"), b"--" + BOUNDARY + b"--\r\n"], b"multipart/form-data; boundary=seam", True)
def test_multipart(fuzzed: Server, shards: list[bytes], content_type: bytes, chunked: bool) -> None:
    body: Any = iter(shards) if chunked else b"".join(shards)
    reply = fuzzed.http.post("/api/v1/avatars", content=body, headers=[(b"Content-Type", content_type)])
    assert_described(reply, {200, 400, 413})
    if reply.status_code == 200:
        stored = fuzzed.http.get(f"/api/v1/avatars/{reply.json()['avatar_id']}")
        assert stored.json()["bytes"] <= sum(map(len, shards))


def test_of_refused_uploads_nothing_is_left(fuzzed: Server) -> None:
    wait_until(lambda: fuzzed.stored.unfinished() == 0)
    listed: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        page = fuzzed.http.get(
            "/api/v1/avatars", params={"limit": 100, **({"cursor": cursor} if cursor else {})}
        ).json()
        listed |= {avatar["avatar_id"] for avatar in page["avatars"]}
        cursor = page.get("next_cursor")
    stored = fuzzed.stored.keys("uploads/")
    assert {key for key in stored if not any(avatar_id in key for avatar_id in listed)} == set()


OTHER_NAMES = ("bytes", "content_type", "consent", "origins", "avatar_id", "generations", "expires_in", "webhook_url")
NAMES = st.sampled_from([*Generate.model_fields, *CreateSession.model_fields, *OTHER_NAMES])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from([10**400, -1, 1e308, "\ud800", "\x00", "../../etc/passwd", "file:///etc/passwd", "a" * 5000]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
HOSTILE = [
    b"",
    b"\xef\xbb\xbf{}",
    '{"text": "é"}'.encode("utf-16"),
    b'{"text": "\xff"}',
    b"[" * 5000 + b"]" * 5000,
    b'{"metadata":' * 3000 + b"1" + b"}" * 3000,
    b'{"start_seconds": 1e999}',
    b'{"start_seconds": -0.0, "start_seconds": NaN}',
    b'{"text": "\\ud800"}',
    b'{"session_id": ' + b"9" * 5000 + b"}",
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
    b'{"of_no_use": 1e999}',
    b'{"avatar_video_path": "https://[/"}',
    b'{"avatar_video_path": null, "text": "x", "voice_settings": {"\\ud800": 1}}',
    *(
        b'{"avatar_video_path": null, "text": "x", "%s": "\\ud800"}' % name
        for name in (b"voice_id", b"model_id", b"idempotency_key", b"webhook_url", b"metadata", b"sync_mode")
    ),
]


@FUZZ
@given(st.sampled_from(DOORS), st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=6) | VALUES)
def test_json(fuzzed: Server, door: str, body: Any) -> None:
    reply = fuzzed.http.post(door, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert_described(reply, {200, 202, 400, 403, 404, 409, 413, 422, 503})


@pytest.mark.parametrize("door", DOORS)
def test_hostile_json(fuzzed: Server, door: str) -> None:
    for number, body in enumerate(HOSTILE):
        for more in ({}, {"Idempotency-Key": f"hostile-{number}"}):
            reply = fuzzed.http.post(door, content=body, headers={"Content-Type": "application/json", **more})
            assert_described(reply, {200, 400, 404, 413})


MESSAGES = st.one_of(
    st.binary(max_size=100),
    st.text(max_size=100),
    st.sampled_from(["", "{", "[]", "null", '{"session_id": "nobody", "text": "Hello."}', '{"text": 1}', "{}"]),
    st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps),
)


@FUZZ
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_socket(fuzzed: Server, messages: list[str | bytes]) -> None:
    address = fuzzed.url.replace("http", "ws") + "/api/v1/generate/text-to-video-stream"
    with connect(address, proxy=None, open_timeout=20) as socket:
        told = conversation(socket, messages)
    assert told[-1]["type"] == "error"
    assert_form(told[-1])
    assert socket.protocol.close_code in (1007, 1008, 1011, 1013)


def conversation(socket: ClientConnection, messages: list[str | bytes]) -> list[dict[str, Any]]:
    """What the server says to the messages, until it closes."""
    told: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        for message in messages:
            socket.send(message)
    with suppress(ConnectionClosed):
        while True:
            told.append(json.loads(socket.recv(timeout=20)))
    return told
