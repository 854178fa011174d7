"""Requests with a key: done once, kept for a day, and gone on with by whoever comes next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter
from starlette.requests import HTTPConnection

from engine.errors import InvalidInput, RecordDamaged, StillRunning
from engine.store.local import LocalStore
from shim.callers import ANYBODY, Caller, set_caller
from shim.keyed_requests import KeyedRequests, RequestKey, refuse_key
from shim.refusals import KeyReused, RequestInProgress

KEPT: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
BODY: dict[str, JsonValue] = {"text": "Hello."}


class Desk:
    """Requests of which every one is answered with the names that it was worked on by."""

    def __init__(self, folder: Path, beat_seconds: float = 15.0) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.names: list[str] = []
        self.store = LocalStore(folder)
        self._beat_seconds = beat_seconds

    async def ask(
        self, key: RequestKey, before: Callable[[], Awaitable[None]] | None = None, error: BaseException | None = None
    ) -> dict[str, str]:
        """As a server of its own would; the work waits for ``before``, and fails with ``error``."""

        async def work(name: str) -> dict[str, str]:
            self.names.append(name)
            if before is not None:
                await before()
            if error is not None:
                raise error
            return {"name": name, "times": str(len(self.names))}

        return await KeyedRequests(self.store, lambda: self.now, self._beat_seconds).once(key, KEPT, work)

    async def two(self, between: Callable[[], Awaitable[None]]) -> tuple[dict[str, str], dict[str, str]]:
        """A second request while the first is worked on, which comes after ``between``."""
        begun, release = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            begun.set()
            await release.wait()

        first = asyncio.create_task(self.ask(key(), wait))
        try:
            await begun.wait()
            await between()
            second = await self.ask(key())
        finally:
            release.set()
            answer = await first
        return answer, second


def key(given: str = "order-7", body: dict[str, JsonValue] | None = None, **request: str) -> RequestKey:
    found = RequestKey.of(request_with(given, **request), BODY if body is None else body)
    assert found is not None
    return found


def request_with(given: str | None, owner: str | None = None, path: str = "/api/v1/session/create") -> HTTPConnection:
    headers = [(b"host", b"test")] + ([] if given is None else [(b"idempotency-key", given.encode())])
    scope = {"type": "http", "method": "POST", "scheme": "http", "path": path, "query_string": b"", "headers": headers}
    set_caller(scope, ANYBODY if owner is None else Caller(owner, owner, "key"))
    return HTTPConnection(scope)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_same_request_gets_the_first_ones_result(desk: Desk) -> None:
    first = asyncio.run(desk.ask(key()))
    assert asyncio.run(desk.ask(key())) == first
    assert len(desk.names) == 1


def test_another_body_is_refused_whatever_became_of_the_first(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        asyncio.run(desk.ask(key(), error=InvalidInput("No.")))
    for _ in range(2):
        with pytest.raises(KeyReused):
            asyncio.run(desk.ask(key(body={"text": "Hullo."})))
        asyncio.run(desk.ask(key()))
    assert len(desk.names) == 2


@pytest.mark.parametrize("error", [StillRunning("It goes on."), ZeroDivisionError(), asyncio.CancelledError()])
def test_a_request_that_failed_goes_on_under_its_name(desk: Desk, error: BaseException) -> None:
    async def scenario() -> None:
        with pytest.raises(type(error)):
            await desk.ask(key(), error=error)
        await desk.ask(key())

    asyncio.run(scenario())
    assert len(desk.names) == 2
    assert len(set(desk.names)) == 1


def test_it_is_refused_while_the_first_is_worked_on(desk: Desk) -> None:
    async def nothing() -> None:
        pass

    with pytest.raises(RequestInProgress):
        asyncio.run(desk.two(nothing))
    assert len(desk.names) == 1


def test_one_whose_server_died_is_taken_over_and_keeps_its_own_result(desk: Desk) -> None:
    async def die() -> None:
        desk.now += timedelta(seconds=61)

    first, second = asyncio.run(desk.two(die))
    assert first["name"] == second["name"]
    assert asyncio.run(desk.ask(key())) == second


def test_one_that_is_long_worked_on_is_not_taken_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, beat_seconds=0.01)

    async def go_on() -> None:
        desk.now += timedelta(minutes=5)
        await asyncio.sleep(0.5)

    with pytest.raises(RequestInProgress):
        asyncio.run(desk.two(go_on))


def test_after_a_day_the_key_is_free(desk: Desk) -> None:
    asyncio.run(desk.ask(key()))
    desk.now += timedelta(hours=23, minutes=59)
    asyncio.run(desk.ask(key()))
    desk.now += timedelta(minutes=1)
    asyncio.run(desk.ask(key(body={"text": "Another day."})))
    assert len(set(desk.names)) == 2


def test_keys_of_other_callers_and_paths_are_other_keys() -> None:
    keys = [key(), key("order-8"), key(owner="anna"), key(owner="ben"), key(path="/api/v1/generate/text-to-video")]
    assert len({found.request_id for found in keys}) == len(keys)
    assert key().request_id == key(body={"text": "Hullo."}).request_id


@pytest.mark.parametrize("given", ["", "two words", "x" * 256, "é", "a\tb"])
def test_a_key_is_a_plain_word(given: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        key(given)


def test_without_a_key_nothing_is_kept_nor_refused() -> None:
    assert RequestKey.of(request_with(None), BODY) is None
    refuse_key(request_with(None))
    with pytest.raises(InvalidInput, match="stream"):
        refuse_key(request_with("order-7"))


@pytest.mark.parametrize("reply", [None, [], {"name": 7}])
def test_a_damaged_reply_is_a_typed_error(tmp_path: Path, reply: JsonValue) -> None:
    desk = Desk(tmp_path)
    asyncio.run(desk.ask(key()))
    (found,) = [desk.store.get(info.key) for info in desk.store.list("")]
    assert found is not None
    desk.store.put(found.info.key, json.dumps({**json.loads(found.body), "reply": reply}).encode())
    with pytest.raises(RecordDamaged, match="can't be read"):
        asyncio.run(desk.ask(key()))
