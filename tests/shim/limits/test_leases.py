"""Leases: counted over servers, given back, and ended by themselves after a crash."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.housekeeping.rules import LEASES
from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo, StoredObject
from shim.limits.leases import LEASE, Leases, LeaseScope
from shim.refusals import TooManyGenerations

SESSION = LeaseScope("session", "one")


class Servers:
    """Two servers with one store, and a clock that both go by."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = LocalStore(folder)
        self.first, self.second = self.server(), self.server()

    def server(self, renewal_seconds: float = 20.0) -> Leases:
        return Leases(self.store, lambda: self.now, renewal_seconds)

    async def free(self, most: int, scope: LeaseScope = SESSION) -> int:
        """How many more leases there are."""
        async with AsyncExitStack() as stack:
            for taken in range(most):
                try:
                    await stack.enter_async_context(self.second.held(scope, most))
                except TooManyGenerations:
                    return taken
            return most


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return Servers(tmp_path)


async def crash(leases: Leases, most: int) -> None:
    """Take a lease, and end as a process does that is killed: without giving it back."""
    held = leases.held(SESSION, most)
    await held.__aenter__()
    CRASHED.append(held)


CRASHED: list[object] = []
"""Kept, since a generator that is collected ends in order."""


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_so_many_and_no_more(servers: Servers) -> None:
    async def take() -> None:
        async with servers.first.held(SESSION, 2), servers.second.held(SESSION, 2):
            with pytest.raises(TooManyGenerations, match="No more than 2 at once may be made for this session"):
                async with servers.first.held(SESSION, 2):
                    pytest.fail("a third was let in")
            assert await servers.free(3) == 1
        assert await servers.free(2) == 2

    asyncio.run(take())


def test_scopes_are_counted_apart(servers: Servers) -> None:
    async def take() -> None:
        async with servers.first.held(SESSION, 1):
            assert await servers.free(1, LeaseScope("session", "two")) == 1
            assert await servers.free(1, LeaseScope("key", "one")) == 1

    asyncio.run(take())


def test_the_same_work_counts_once(servers: Servers) -> None:
    async def take() -> None:
        async with servers.first.held(SESSION, 1, "work"):
            async with servers.second.held(SESSION, 1, "work"):
                pass
            assert await servers.free(1) == 0
        assert await servers.free(1) == 1

    asyncio.run(take())


def test_a_refusal_within_gives_the_lease_back(servers: Servers) -> None:
    async def take() -> None:
        with pytest.raises(TooManyGenerations):
            async with servers.first.held(SESSION, 2):
                raise TooManyGenerations("Another check's.")
        assert await servers.free(2) == 2

    asyncio.run(take())


def test_of_a_crowd_no_more_get_in(servers: Servers) -> None:
    async def take() -> int:
        let_in, done = 0, asyncio.Event()

        async def one(leases: Leases) -> None:
            nonlocal let_in
            async with leases.held(SESSION, 3):
                let_in += 1
                await done.wait()

        tasks = [asyncio.create_task(one(leases)) for leases in (servers.first, servers.second) for _ in range(6)]
        await until(lambda: sum(task.done() for task in tasks) == 9)
        done.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return let_in

    assert asyncio.run(take()) == 3


def test_the_lease_of_a_dead_server_ends(servers: Servers) -> None:
    async def take() -> None:
        await crash(servers.first, 1)
        servers.now += LEASE - timedelta(seconds=1)
        assert await servers.free(1) == 0
        servers.now += timedelta(seconds=1)
        assert await servers.free(1) == 1

    asyncio.run(take())


def test_a_lease_is_renewed_while_it_is_held(servers: Servers) -> None:
    async def take() -> None:
        async with servers.server(renewal_seconds=0.01).held(SESSION, 1):
            for _ in range(3):
                servers.now += LEASE - timedelta(seconds=1)
                written = await asyncio.to_thread(body, servers.store)
                await until(lambda before=written: body(servers.store) != before)  # type: ignore[misc]
            assert await servers.free(1) == 0
        assert await servers.free(1) == 1

    asyncio.run(take())


def test_a_lease_whose_record_has_gone_is_written_anew(servers: Servers) -> None:
    async def take() -> None:
        async with servers.server(renewal_seconds=0.01).held(SESSION, 1):
            servers.store.delete(f"{LEASES.folder}/{SESSION.record_id}.json")
            await until(lambda: body(servers.store) != b"")
            assert await servers.free(1) == 0

    asyncio.run(take())


class Halting(LocalStore):
    """Its first write waits until it is let go."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun, self.go = threading.Event(), threading.Event()

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> ObjectInfo | None:
        self.begun.set()
        assert self.go.wait(10)
        return super().put_if_absent(key, body, content_type)


def test_who_leaves_while_the_lease_is_written_gives_it_back(servers: Servers, tmp_path: Path) -> None:
    store = Halting(tmp_path)
    leases = Leases(store, lambda: servers.now)

    async def take() -> None:
        async with leases.held(SESSION, 1):
            pytest.fail("was let in")

    async def leave() -> None:
        task = asyncio.create_task(take())
        await asyncio.to_thread(store.begun.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.1, store.go.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await servers.free(1) == 1

    asyncio.run(leave())


class Failing(LocalStore):
    """Answers until it is away."""

    away = False

    def get(self, key: str) -> StoredObject | None:
        if self.away:
            raise StorageUnavailable("The store does not answer.")
        return super().get(key)


def test_a_store_that_is_away_ends_no_work_that_goes_on(
    servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing(tmp_path)
    leases = Leases(store, lambda: servers.now, renewal_seconds=0.01)

    async def take() -> None:
        async with leases.held(SESSION, 1):
            store.away = True
            await until(lambda: "could not be renewed" in caplog.text)
        assert "could not be given back" in caplog.text
        with pytest.raises(StorageUnavailable):
            async with leases.held(SESSION, 1):
                pytest.fail("nobody can be let in uncounted")

    asyncio.run(take())


def body(store: LocalStore) -> bytes:
    """The scope's record; empty when there is none."""
    found = store.get(f"{LEASES.folder}/{SESSION.record_id}.json")
    return b"" if found is None else found.body


@pytest.fixture(autouse=True)
def _forget_crashes() -> Iterator[None]:
    yield
    CRASHED.clear()
