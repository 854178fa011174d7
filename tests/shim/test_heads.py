"""What a client sends before its request is whole has an end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from shim.heads import MOST_BYTES, BoundedHeads
from tests.shim.server_process import Server, free_port

HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POSTED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 16 * 1024


class Hasty(BoundedHeads):
    most_seconds = 0.3


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body's length, once it is whole."""
    size, more = 0, scope["type"] == "http"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b"%d bytes" % size
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    """The port of a server that waits for 0.3 s."""
    port = free_port()
    config = uvicorn.Config(echo, "127.0.0.1", port, http=Hasty, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    thread.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def everything(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


def sent_until_refused(client: socket.socket, piece: bytes, most: int) -> int:
    """Send the piece again and again; how many bytes were sent until the server answered or hung up."""
    sent = 0
    client.settimeout(0.02)
    while sent < most:
        try:
            client.sendall(piece)
            sent += len(piece)
            client.recv(1024)
        except TimeoutError:
            continue
        except OSError:
            break
        else:
            break
    return sent


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /", b"x" * PIECE),
        (HEAD + b"X-Long: ", b"x" * PIECE),
        (HEAD, b"X-Many: 1\r\n" * 1500),
        (POSTED + b"0\r\n", b"X-Many: 1\r\n" * 1500),
        (b"", b"\r\n" * 8000),
    ],
    ids=["line", "header", "headers", "trailers", "nothing"],
)
def test_a_head_without_end_is_refused(server: Server, begun: bytes, piece: bytes) -> None:
    with connected(server.port) as client:
        client.sendall(begun)
        assert sent_until_refused(client, piece, 40 * MOST_BYTES) < 8 * MOST_BYTES


def test_a_long_head_within_limits_is_read(server: Server) -> None:
    with connected(server.port) as client:
        client.sendall(HEAD + b"X-Long: " + b"x" * (MOST_BYTES // 2) + b"\r\nConnection: close\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD])
def test_whoever_never_ends_a_head_is_cut_off(hasty: int, sent: bytes) -> None:
    with connected(hasty) as client:
        client.sendall(sent)
        began = time.monotonic()
        assert b"200 OK" not in everything(client)
        assert time.monotonic() - began < 5


def test_whoever_is_slow_but_goes_on_is_heard(hasty: int) -> None:
    with connected(hasty) as client:
        client.sendall(POSTED.replace(b"Host", b"Connection: close\r\nHost"))
        for _ in range(5):
            time.sleep(0.2)
            client.sendall(b"5\r\nabcde\r\n")
        client.sendall(b"0\r\n\r\n")
        assert everything(client).endswith(b"25 bytes")


def test_a_body_may_be_larger_than_a_head(hasty: int) -> None:
    body = b"x" * (4 * MOST_BYTES)
    with connected(hasty) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = b""
            while not answer.endswith(b"%d bytes" % len(body)):
                answer += client.recv(4096)
