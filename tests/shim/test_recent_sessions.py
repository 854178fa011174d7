"""Sessions that many ask for are read once a second, and what changes here is seen at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from engine.errors import SessionNotFound
from engine.records import Records, SessionRecord
from engine.session_records import owned_session
from engine.store.local import LocalStore
from shim.recent_sessions import FRESH_SECONDS, STALE_SECONDS, RecentSessions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Desk:
    """Sessions in a store. ``reads``: how often one was asked for; who has ``read`` one waits for ``go``."""

    def __init__(self, folder: Path) -> None:
        self.clock = 0.0
        self.records = Records(LocalStore(folder), lambda: NOW)
        self.reads = 0
        self.read, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.recent = RecentSessions(self._read, lambda: self.clock)
        self.records.sessions.watch(self.recent.forget)

    def begin(self, session_id: str, owner: str | None = None) -> None:
        times = {"heartbeat": NOW, "created": NOW, "updated": NOW}
        record = SessionRecord(session_id=session_id, status="preparing", input_hash="0", owner=owner, **times)
        assert self.records.sessions.create(record)

    def change(self, session_id: str, **changes: object) -> None:
        assert self.records.sessions.update(session_id, lambda old: old.model_copy(update=changes))

    async def _read(self, session_id: str, owner: str | None) -> SessionRecord:
        self.reads += 1
        record = await asyncio.to_thread(owned_session, self.records, session_id, owner)
        self.read.set()
        await self.go.wait()
        return record


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_many_who_ask_are_one_reading(desk: Desk) -> None:
    desk.begin("one")

    async def scenario() -> None:
        found = await asyncio.gather(*(desk.recent.get("one", None) for _ in range(50)))
        assert {record.session_id for record in found} == {"one"}
        await desk.recent.get("one", None)
        assert desk.reads == 1

    asyncio.run(scenario())


async def settled() -> None:
    """Wait until nothing is read any more."""
    me = asyncio.current_task()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not me))


def test_others_changes_are_seen_after_a_moment(desk: Desk, tmp_path: Path) -> None:
    desk.begin("one")
    elsewhere = Records(LocalStore(tmp_path), lambda: NOW)

    async def progress() -> float:
        return (await desk.recent.get("one", None)).progress

    async def scenario() -> None:
        assert await progress() == 0
        elsewhere.sessions.update("one", lambda old: old.model_copy(update={"progress": 0.5}))
        desk.clock += FRESH_SECONDS - 0.01
        assert (await progress(), desk.reads) == (0, 1)
        desk.clock += 0.01
        assert (await progress(), await progress()) == (0, 0)
        await settled()
        assert (await progress(), desk.reads) == (0.5, 2)

    asyncio.run(scenario())


def test_who_asks_seldom_is_told_how_it_is(desk: Desk, tmp_path: Path) -> None:
    desk.begin("one")
    elsewhere = Records(LocalStore(tmp_path), lambda: NOW)

    async def scenario() -> None:
        await desk.recent.get("one", None)
        elsewhere.sessions.update("one", lambda old: old.model_copy(update={"progress": 0.5}))
        desk.clock += FRESH_SECONDS + STALE_SECONDS
        assert (await desk.recent.get("one", None)).progress == 0.5

    asyncio.run(scenario())


def test_who_asks_often_does_not_wait_for_a_slow_store(desk: Desk) -> None:
    desk.begin("one")

    async def scenario() -> None:
        await desk.recent.get("one", None)
        desk.go.clear()
        desk.clock += FRESH_SECONDS
        async with asyncio.timeout(1):
            assert (await desk.recent.get("one", None)).session_id == "one"
        desk.go.set()
        await settled()
        assert desk.reads == 2

    asyncio.run(scenario())


def test_what_was_deleted_elsewhere_is_gone_after_a_moment(desk: Desk, tmp_path: Path) -> None:
    desk.begin("one")

    async def scenario() -> None:
        await desk.recent.get("one", None)
        Records(LocalStore(tmp_path), lambda: NOW).sessions.delete("one")
        desk.clock += FRESH_SECONDS
        assert (await desk.recent.get("one", None)).session_id == "one"
        with contextlib.suppress(SessionNotFound):
            await settled()
        with pytest.raises(SessionNotFound):
            await desk.recent.get("one", None)

    asyncio.run(scenario())


def test_own_changes_are_seen_at_once(desk: Desk) -> None:
    desk.begin("one")

    async def scenario() -> None:
        await desk.recent.get("one", None)
        await asyncio.to_thread(desk.change, "one", progress=0.5)
        assert (await desk.recent.get("one", None)).progress == 0.5
        desk.records.sessions.delete("one")
        with pytest.raises(SessionNotFound):
            await desk.recent.get("one", None)

    asyncio.run(scenario())


def test_a_reading_that_a_change_overtakes_is_not_remembered(desk: Desk) -> None:
    desk.begin("one")

    async def scenario() -> None:
        desk.go.clear()
        overtaken = asyncio.create_task(desk.recent.get("one", None))
        await desk.read.wait()
        desk.change("one", progress=0.5)
        desk.go.set()
        assert (await overtaken).progress == 0
        assert (await desk.recent.get("one", None)).progress == 0.5

    asyncio.run(scenario())


def test_what_is_not_there_is_looked_for_again(desk: Desk) -> None:
    async def scenario() -> None:
        with pytest.raises(SessionNotFound):
            await desk.recent.get("one", None)
        desk.begin("one")
        assert (await desk.recent.get("one", None)).session_id == "one"

    asyncio.run(scenario())


def test_owners_see_their_own_alone(desk: Desk) -> None:
    desk.begin("one", owner="alice")

    async def scenario() -> None:
        desk.go.clear()
        stranger, owner = (asyncio.create_task(desk.recent.get("one", name)) for name in ("bob", "alice"))
        await asyncio.sleep(0.05)
        desk.go.set()
        assert (await owner).owner == "alice"
        for name in ("bob", None):
            with pytest.raises(SessionNotFound):
                await desk.recent.get("one", name)
        with pytest.raises(SessionNotFound):
            await stranger

    asyncio.run(scenario())


def test_who_gives_up_takes_nothing_from_the_others(desk: Desk) -> None:
    desk.begin("one")

    async def scenario() -> None:
        desk.go.clear()
        first, second = (asyncio.create_task(desk.recent.get("one", None)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        desk.go.set()
        assert (await second).session_id == "one"
        assert desk.reads == 1

    asyncio.run(scenario())


def test_nothing_is_kept_of_what_nobody_asks_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        later: list[Callable[[], None]] = []
        monkeypatch.setattr(loop, "call_later", lambda _, call, *given: later.append(partial(call, *given)))
        for number in range(5):
            desk.begin(f"s{number}")
            await desk.recent.get(f"s{number}", None)
            with pytest.raises(SessionNotFound):
                await desk.recent.get(f"x{number}", None)
        assert len(desk.recent._seen) == 5
        desk.clock += FRESH_SECONDS + STALE_SECONDS
        for drop in later:
            drop()
        assert not desk.recent._seen

    asyncio.run(scenario())
