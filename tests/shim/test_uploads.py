"""Uploads: whole or not at all, within limits that hold while they arrive."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until

PATH = "/api/v1/avatars"
MAX_BYTES = 2_000_000
BOUNDARY = "b0undary"


def uploads(server: Server) -> set[str]:
    return server.stored.keys("uploads/")


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body of parts, each with its disposition's parameters."""
    pieces = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + body + b"\r\n"
        for disposition, body in parts
    ]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def headers(content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> dict[str, str]:
    return {"Content-Type": content_type}


FILE = 'name="file"; filename="a.mp4"'


def test_an_upload_lies_whole_in_the_store_and_becomes_an_avatar(server: Server, tiny_avatar: Path) -> None:
    body = tiny_avatar.read_bytes()
    reply = server.http.post(PATH, files={"file": ("../../face.mp4", body)}, data={"note": "hello"})
    assert reply.status_code == 200
    uploaded = reply.json()
    assert uploaded["bytes"] == len(body)
    assert uploaded["expires_at"]
    assert server.stored.body(f"uploads/{uploaded['avatar_id']}") == body
    assert server.ended(server.create(avatar_video_path=uploaded["avatar_id"]))["status"] == "ready"


def test_the_limit_itself_is_taken(server: Server) -> None:
    reply = server.http.post(PATH, content=form((FILE, b"x" * MAX_BYTES)), headers=headers())
    assert reply.json()["bytes"] == MAX_BYTES


def test_an_upload_above_the_limit_is_413_and_leaves_nothing(server: Server) -> None:
    before = uploads(server)
    one_too_many = form((FILE, b"x" * (MAX_BYTES + 1)))
    error_of(server.http.post(PATH, content=one_too_many, headers=headers()), 413, "avatar_too_large")

    def unannounced() -> Iterator[bytes]:
        for start in range(0, len(one_too_many), 65_536):
            yield one_too_many[start : start + 65_536]

    error_of(server.http.post(PATH, content=unannounced(), headers=headers()), 413, "avatar_too_large")
    assert uploads(server) == before
    assert server.stored.unfinished() == 0


def test_what_comes_beside_the_file_has_the_same_limit(server: Server) -> None:
    before = uploads(server)
    body = form((FILE, b"x"), ('name="other"', b"x" * (MAX_BYTES + 100_000)))

    def unannounced() -> Iterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    error_of(server.http.post(PATH, content=unannounced(), headers=headers()), 413, "avatar_too_large")
    assert uploads(server) == before
    assert server.stored.unfinished() == 0


def test_an_announced_length_above_the_limit_is_refused_before_it_comes(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (form(('name="other"; filename="a"', b"x")), None, "invalid_input"),
        (form(('name="file"', b"no file, a field")), None, "invalid_input"),
        (form((FILE, b"x"), (FILE, b"y")), None, "invalid_input"),
        (form(), None, "invalid_input"),
        (b"", None, "invalid_input"),
        (form((FILE, b"cut off"))[:-12], None, "invalid_input"),
        (b"not a form at all", None, "invalid_input"),
        (form((FILE, b"")), None, "media_unreadable"),
        (form((FILE, b"x")), "application/octet-stream", "invalid_input"),
        (form((FILE, b"x")), "multipart/form-data", "invalid_input"),
        (form((FILE, b"x")), f"multipart/form-data; boundary={'b' * 71}", "invalid_input"),
        (form((FILE + "x" * 5_000, b"x")), None, "invalid_input"),
    ],
)
def test_what_is_no_upload_is_400_and_leaves_nothing(
    server: Server, body: bytes, content_type: str | None, code: str
) -> None:
    before = uploads(server)
    sent = headers(content_type) if content_type else headers()
    error_of(server.http.post(PATH, content=body, headers=sent), 400, code)
    assert uploads(server) == before
    assert server.stored.unfinished() == 0


def test_a_client_that_leaves_leaves_nothing(server: Server) -> None:
    before = uploads(server)
    body = form((FILE, b"x" * 1_900_000))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
        connection.sendall(body[:1_500_000])
        wait_until(lambda: server.stored.in_bucket or server.stored.unfinished() > 0)
    wait_until(lambda: server.stored.unfinished() == 0)
    assert uploads(server) == before
