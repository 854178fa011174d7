"""What a budget lets through and what it refuses, with counters as workers write them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidText
from engine.ledger.entry import Entry
from engine.ledger.usage import Counters
from engine.schemas import Generate
from engine.store.local import LocalStore
from engine.store.protocol import StoredObject
from shim.budgets.check import BudgetCheck
from shim.budgets.settings import Budget
from shim.budgets.spending import SECONDS_KEPT, Spending
from shim.callers import ANYBODY, Caller
from shim.limits.leases import Leases
from shim.refusals import BudgetExceeded
from tests.shim.budgets.asynchronous import asynchronous

ALICE = Caller("key:alice", "alice", "key")
BOB = Caller("jwt:bob", "bob", "token")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEN = "0123456789"


class CountingStore(LocalStore):
    """``reads``: how many objects were asked for."""

    reads = 0

    def get(self, key: str) -> StoredObject | None:
        self.reads += key.startswith("usage/")
        return super().get(key)


class Server:
    """A replica with its own cache; ``now`` and ``clock`` move when they are told to."""

    def __init__(self, folder: Path, budgets: Mapping[str, Budget], total: Budget | None = None) -> None:
        self.store = CountingStore(folder)
        self.now, self.clock = NOON, 0.0
        spending = Spending(self.store, lambda: self.now, lambda: self.clock)
        leases = Leases(self.store, lambda: self.now)
        self.check = BudgetCheck(budgets, total, spending, leases, lambda: self.now)

    async def passes(self, caller: Caller = ALICE, text: str | None = TEN, **fields: Any) -> None:
        async with self.check.held(caller, said(text, **fields)):
            pass

    def spend(self, owner: str | None = "key:alice", **amounts: Any) -> None:
        """As a worker counts it."""
        name = f"job-{self.store.reads}-{len(list(self.store.list('usage/')))}-{amounts}"
        fields = {
            "day": self.now.date(),
            "name": "".join(character if character.isalnum() else "-" for character in name)[:120],
            "owner": owner,
            "job_id": "job",
            "session_id": "s",
            "written": self.now,
            "avatar_sha256": None,
            "spoken": "text",
            "spoken_sha256": None,
            "renderer": "preview",
        }
        Counters(self.store).add(Entry.model_validate(fields | amounts))


def said(text: str | None, **fields: Any) -> Generate:
    return Generate(session_id="s", text=text, audio_url=None if text else "https://a.example/a.mp3", **fields)


@asynchronous
async def test_a_text_that_exceeds_what_is_left_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path, {"alice": Budget(speech_characters_per_day=25)})
    server.spend(tts_characters=15)
    await server.passes(text=TEN)
    with pytest.raises(BudgetExceeded, match=r"11 characters, and of your 25 speech characters of today 10 are left"):
        await server.passes(text=f"{TEN}!")


@asynchronous
async def test_it_says_when_the_day_ends(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=0)})
    with pytest.raises(BudgetExceeded) as caught:
        await server.passes()
    assert caught.value.retry_after == timedelta(hours=12).total_seconds()


@asynchronous
async def test_the_next_day_has_its_own(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(gpu_seconds_per_day=5)})
    server.spend(gpu_seconds=5)
    with pytest.raises(BudgetExceeded, match="Your 5 GPU seconds of today are used up"):
        await server.passes()
    server.now += timedelta(hours=12)
    await server.passes()


@asynchronous
async def test_sound_takes_no_characters_but_the_gpu(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=0, gpu_seconds_per_day=2.5)})
    await server.passes(text=None)
    server.spend(gpu_seconds=2.5)
    server.clock += SECONDS_KEPT + 1
    with pytest.raises(BudgetExceeded):
        await server.passes(text=None)


@asynchronous
async def test_each_of_all_others_has_a_budget_of_its_own(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=10)})
    for caller in (ALICE, BOB, ANYBODY):
        await server.passes(caller)
        server.spend(caller.owner, tts_characters=10)
        with pytest.raises(BudgetExceeded):
            await server.passes(caller)


@asynchronous
async def test_what_everybody_spends_counts_for_the_total(tmp_path: Path) -> None:
    server = Server(tmp_path, {}, Budget(speech_characters_per_day=30))
    server.spend("key:alice", tts_characters=11)
    server.spend("jwt:bob", tts_characters=10)
    with pytest.raises(BudgetExceeded, match=r"of this server's 30 speech characters of today 9 are left"):
        await server.passes(BOB)
    await server.passes(BOB, text=TEN[:9])


@asynchronous
async def test_what_is_being_made_here_is_promised(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=25)})
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(server.check.held(ALICE, said(TEN)))
        with pytest.raises(BudgetExceeded, match="5 are left"):
            await server.passes()
        await server.passes(BOB)
    await server.passes()


@asynchronous
async def test_the_same_request_again_is_promised_once(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=10, concurrent_jobs=1)})
    async with server.check.held(ALICE, said(TEN, idempotency_key="once")):
        await server.passes(idempotency_key="once")


@asynchronous
async def test_what_was_just_made_here_is_seen_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=10)}, Budget(speech_characters_per_day=15))
    async with server.check.held(ALICE, said(TEN)):
        server.spend(tts_characters=10)
    with pytest.raises(BudgetExceeded, match="0 are left"):
        await server.passes()
    with pytest.raises(BudgetExceeded, match="this server's"):
        await server.passes(BOB)


@asynchronous
async def test_the_store_is_read_once_in_a_while(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=5)}, Budget(speech_characters_per_day=100))
    server.spend(tts_characters=1)
    server.store.reads = 0
    for _ in range(5):
        with pytest.raises(BudgetExceeded):
            await server.passes()
    assert server.store.reads == 1
    server.clock += SECONDS_KEPT + 0.1
    with pytest.raises(BudgetExceeded):
        await server.passes()
    assert server.store.reads == 2


@asynchronous
async def test_no_more_jobs_at_once_than_the_budget_says(tmp_path: Path) -> None:
    budgets, total = {"alice": Budget(concurrent_jobs=1)}, Budget(concurrent_jobs=2)
    server, beside = (Server(tmp_path, budgets, total) for _ in range(2))
    async with server.check.held(ALICE, said(TEN)):
        with pytest.raises(BudgetExceeded, match="this key"):
            await beside.passes()
        async with beside.check.held(BOB, said(TEN)):
            with pytest.raises(BudgetExceeded, match="this server"):
                await server.passes(BOB)
    await beside.passes()


@asynchronous
async def test_a_text_that_cannot_be_spoken_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(InvalidText):
        await Server(tmp_path, {"*": Budget()}).passes(text="...")


@asynchronous
async def test_without_budgets_nothing_is_read(tmp_path: Path) -> None:
    server = Server(tmp_path, {"alice": Budget(speech_characters_per_day=1)})
    await server.passes(BOB, text=TEN * 100)
    assert server.store.reads == 0
    assert not list(server.store.list(""))


@asynchronous
async def test_another_request_under_the_same_key_takes_no_promise_away(tmp_path: Path) -> None:
    server = Server(tmp_path, {"*": Budget(speech_characters_per_day=15)})
    async with server.check.held(ALICE, said(TEN, idempotency_key="order-7")):
        for _ in range(2):
            await server.passes(text="Hello", idempotency_key="order-7")
        with pytest.raises(BudgetExceeded):
            await server.passes(text=TEN)
    await server.passes(text=TEN)


@asynchronous
async def test_two_owners_requests_are_two_although_their_keys_are_equal(tmp_path: Path) -> None:
    server = Server(tmp_path, {}, Budget(concurrent_jobs=1))
    async with server.check.held(ALICE, said(TEN, idempotency_key="order-7")):
        await server.passes(ALICE, idempotency_key="order-7")
        with pytest.raises(BudgetExceeded):
            await server.passes(BOB, idempotency_key="order-7")
    server = Server(tmp_path, {}, Budget(speech_characters_per_day=15))
    async with server.check.held(ALICE, said(TEN, idempotency_key="order-7")):
        with pytest.raises(BudgetExceeded):
            await server.passes(BOB, idempotency_key="order-7")
