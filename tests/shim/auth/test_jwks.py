"""Key sets: kept, read anew when a key is unknown or it is time, and no more often than that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.outages import TokenKeysUnavailable
from shim.auth.jwks import FRESH_SECONDS, KEPT_SECONDS, MOST_BYTES, REFRESH_SECONDS, Jwks, source_of
from tests.shim.auth.signing import Provider, Signer, key_set, provider

OLD, NEW = Signer.rsa("old"), Signer.curve("new")


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def served() -> Iterator[Provider]:
    with provider(OLD) as served:
        yield served


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_keys_are_read_once(served: Provider, clock: Clock) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        found = await asyncio.gather(*(jwks.find("old") for _ in range(20)))
        assert {key.key_id for key in found if key is not None} == {"old"}
        assert None not in found
        assert served.asked == 1

    asyncio.run(scenario())


def test_a_key_that_came_since_is_found_and_one_that_went_is_not(served: Provider, clock: Clock) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        assert await jwks.find("new") is None
        served.body = key_set(NEW)
        assert await jwks.find("old") is not None
        clock.now += REFRESH_SECONDS
        found = await jwks.find("new")
        assert found is not None
        assert found.algorithm_name == "ES256"
        assert await jwks.find("old") is None

    asyncio.run(scenario())


def test_unknown_keys_make_the_set_be_read_no_more_often_than_the_bound(served: Provider, clock: Clock) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        for number in range(200):
            assert await jwks.find(f"unknown-{number}") is None
        assert served.asked == 1
        clock.now += REFRESH_SECONDS
        for number in range(200):
            assert await jwks.find(f"unknown-{number}") is None
        assert served.asked == 2

    asyncio.run(scenario())


def test_a_withdrawn_key_is_forgotten_though_nobody_asks_for_another(served: Provider, clock: Clock) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        assert await jwks.find("old") is not None
        served.body = key_set(NEW)
        clock.now += FRESH_SECONDS - 1
        assert await jwks.find("old") is not None
        clock.now += 1
        assert await jwks.find("old") is None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, key_set(OLD)), (302, key_set(OLD)), (200, b"<html>"), (200, b"{}"), (200, b'{"keys": 7}'), (200, b"[]"),
     (200, b'{"keys": [7]}'), (200, b" " * (MOST_BYTES + 1))],
)  # fmt: skip
def test_without_a_key_set_nobody_is_refused_for_good(
    status: int, body: bytes, served: Provider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        served.status, served.body = status, body
        for _ in range(5):
            with pytest.raises(TokenKeysUnavailable):
                await jwks.find("old")
        assert served.asked == 1
        served.status, served.body = 200, key_set(OLD)
        clock.now += REFRESH_SECONDS
        assert await jwks.find("old") is not None

    asyncio.run(scenario())
    assert len(caplog.messages) == 1
    assert "could not be read" in caplog.messages[0]


def test_the_last_keys_count_for_an_hour_where_the_provider_is_away(served: Provider, clock: Clock) -> None:
    async def scenario() -> None:
        jwks = Jwks(source_of(served.url), clock)
        assert await jwks.find("old") is not None
        served.status = 503
        clock.now += KEPT_SECONDS - 1
        assert await jwks.find("old") is not None
        clock.now += 1
        with pytest.raises(TokenKeysUnavailable):
            await jwks.find("old")

    asyncio.run(scenario())


def test_a_provider_that_is_not_there_is_told_as_away(clock: Clock) -> None:
    with provider(OLD) as gone:
        url = gone.url
    with pytest.raises(TokenKeysUnavailable):
        asyncio.run(Jwks(source_of(url), clock).find("old"))


def test_a_file_is_read_anew_too(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(OLD))

    async def scenario() -> None:
        jwks = Jwks(source_of(str(file)), clock)
        assert await jwks.find("old") is not None
        file.write_bytes(key_set(OLD, NEW))
        clock.now += REFRESH_SECONDS
        assert await jwks.find("new") is not None

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["http://id.example/keys", "ftp://id.example/keys", "file:///etc/passwd", "://"])
def test_keys_come_over_https_alone(where: str) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        source_of(where)


def test_a_file_without_keys_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        source_of(str(tmp_path / "none.json"))
    file = tmp_path / "keys.json"
    file.write_text("{}")
    with pytest.raises(ConfigurationError, match="no set of public keys"):
        source_of(str(file))
