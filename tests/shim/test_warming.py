"""Before the engine is warm the address answers that it will be; afterwards the same socket is the server's."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from engine.errors import ConfigurationError
from shim.warming import listening, warming
from tests.shim.errors import assert_form
from tests.shim.server_process import Server, free_port
from tests.worker.worker_process import START_SECONDS, Ground


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(listening("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture
def http(listener: socket.socket) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        yield client


def test_a_ping_says_not_yet(listener: socket.socket, http: httpx.Client) -> None:
    with warming(listener):
        for method in ("GET", "HEAD"):
            reply = http.request(method, "/ping?from=balancer")
            assert (reply.status_code, reply.content) == (204, b"")


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("POST", "/ping/x"), ("DELETE", "/"), ("PUT", "/a")])
def test_everything_else_is_told_to_come_again(
    listener: socket.socket, http: httpx.Client, method: str, path: str
) -> None:
    with warming(listener):
        reply = http.request(method, path, content=b"x" * 1000 if method != "GET" else None)
    assert reply.status_code == 503
    assert_form(reply.json())
    assert reply.json()["error"] == "overloaded"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert int(reply.headers["retry-after"]) >= 1


def test_nobody_who_says_nothing_holds_up_the_others(listener: socket.socket, http: httpx.Client) -> None:
    with warming(listener), socket.create_connection(listener.getsockname()):
        assert http.get("/ping").status_code == 204


def test_who_connects_between_the_two_is_answered_by_the_server(listener: socket.socket) -> None:
    with warming(listener):
        pass
    with socket.create_connection(listener.getsockname()) as client:
        taken, _ = listener.accept()
        with taken:
            assert taken.getsockname() == client.getpeername()


def test_a_taken_address_is_told(listener: socket.socket) -> None:
    with pytest.raises(ConfigurationError, match=r"address already in use. Set HOST and PORT\."):
        listening("127.0.0.1", listener.getsockname()[1])


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigurationError, match="HOST"):
        listening("192.0.2.1", free_port())


def test_a_server_is_204_then_200_and_never_away_in_between(fresh_ground: Ground) -> None:
    server = Server(fresh_ground)
    server.launch()
    seen: list[int] = []
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and (not seen or seen[-1] != 200):
            try:
                answer = server.http.get("/ping").status_code
            except httpx.TransportError:
                answer = 0
            if not seen or seen[-1] != answer:
                seen.append(answer)
    finally:
        server.http.close()
        server.kill()
    assert seen == [0, 204, 200]
