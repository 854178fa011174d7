"""Two servers that count together in a real Redis, and go on without it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits import parse
from pydantic import SecretStr

from shim.limits.counts import ANSWER_SECONDS, AWAY_SECONDS, SECONDS_BETWEEN_WARNINGS, Count, Counts
from tests.servers.redis import RedisServer
from tests.servers.redis import redis_server as redis_server
from tests.shim.server_process import Server
from tests.worker.worker_process import Ground

RATE = parse("3/minute")
assert RATE is not None


@pytest.fixture
def replicas(redis_server: RedisServer, tiny_avatar: Path, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    settings = {"CREATE_RATE": "3/minute", "STATUS_RATE": "4/minute", "REDIS_URL": redis_server.url}
    grounds = [Ground(tmp_path / name, tiny_avatar).make() for name in ("first", "second")]
    with Server(grounds[0], settings) as first, Server(grounds[1], settings) as second:
        yield first, second


def test_replicas_count_together(replicas: tuple[Server, Server]) -> None:
    first, second = replicas
    create = "/api/v1/session/create"
    # Were anybody to believe this header, each would be another client's.
    replies = [
        server.http.post(create, json={}, headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number, server in enumerate((first, second, first, second, first))
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert [reply.headers["ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0", "0"]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
    status = "/api/v1/session/unknown/status"
    polls = [server.http.get(status).status_code for server in (first, second, first, second, first)]
    assert polls == [404, 404, 404, 404, 429]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def hit(counts: Counts) -> Count | None:
    assert RATE is not None
    return await counts.hit(RATE, "create", "address 192.0.2.7")


def test_requests_go_on_while_redis_is_away(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    counts = Counts(SecretStr(redis_server.url), clock)

    async def scenario() -> None:
        assert await hit(counts) == Count(True, 2, 60)
        redis_server.stop()
        for _ in range(int(SECONDS_BETWEEN_WARNINGS / AWAY_SECONDS)):
            assert [await hit(counts), await hit(counts)] == [None, None]
            clock.now += AWAY_SECONDS
        assert caplog.text.count("requests go on uncounted") == 1
        assert await hit(counts) is None
        assert caplog.text.count("requests go on uncounted") == 2
        clock.now += AWAY_SECONDS
        redis_server.start()
        assert await hit(counts) == Count(True, 2, 60)
        await counts.close()

    asyncio.run(scenario())


def test_a_redis_that_never_answers_holds_up_one_request_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        counts = Counts(SecretStr(f"redis://:the-password@127.0.0.1:{silent.getsockname()[1]}/0"))

        async def scenario() -> None:
            for most in (4 * ANSWER_SECONDS, 0.1):
                began = time.monotonic()
                assert await hit(counts) is None
                assert time.monotonic() - began < most
            await counts.close()

        asyncio.run(scenario())
    assert "the-password" not in caplog.text
