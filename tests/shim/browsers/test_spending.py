"""What a browser's token is good for is counted once, for all replicas."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import EngineError, SessionNotFound
from engine.outages import Interrupted, Overloaded
from engine.schemas import Generate
from engine.store.local import LocalStore
from shim.browsers.spending import TokenCounts, TokenGenerations
from shim.callers import ANYBODY, Caller, Grant
from shim.errors import GenerationFailed
from shim.refusals import Forbidden, TokenSpent

GRANT = Grant("0123456789abcdef", "abc123", None, ())
PAGE = Caller("key:alice", "alice", "browser", GRANT)
ASKED = Generate(session_id="abc123", text="Hello.")
NAMED = ASKED.model_copy(update={"idempotency_key": "order-7"})


def counts(folder: Path, generations: int | None = None) -> TokenCounts:
    """Of one replica; ``generations``: of the token, which is new."""
    made = TokenCounts(LocalStore(folder), lambda: datetime.now(UTC))
    if generations is not None:
        made.open(GRANT.token_id, generations, datetime.now(UTC))
    return made


def passes(folder: Path, asked: Generate = ASKED, end: BaseException | None = None, caller: Caller = PAGE) -> None:
    """One generation, which ends with ``end``, on a replica of its own."""

    async def scenario() -> None:
        async with TokenGenerations(counts(folder)).held(caller, asked):
            if end is not None:
                raise end

    asyncio.run(scenario())


def test_no_more_than_it_is_good_for_although_replicas_count_at_once(tmp_path: Path) -> None:
    counts(tmp_path, 5)

    def one(_: int) -> bool:
        try:
            passes(tmp_path)
        except TokenSpent:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(one, range(12))) == 5


def test_what_is_refused_before_it_begins_is_given_back(tmp_path: Path) -> None:
    counts(tmp_path, 1)
    for asked in (ASKED, NAMED):
        with pytest.raises(Overloaded):
            passes(tmp_path, asked, Overloaded("All places are taken."))
    passes(tmp_path)
    with pytest.raises(TokenSpent):
        passes(tmp_path)


@pytest.mark.parametrize(
    "end", [GenerationFailed(Interrupted("Cancelled.")), asyncio.CancelledError(), GeneratorExit()]
)
@pytest.mark.parametrize("asked", [ASKED, NAMED])
def test_what_had_begun_counts(end: BaseException, asked: Generate, tmp_path: Path) -> None:
    counts(tmp_path, 1)
    with pytest.raises(type(end)):
        passes(tmp_path, asked, end)
    with pytest.raises(TokenSpent):
        passes(tmp_path, asked)


def test_the_same_request_again_counts_once(tmp_path: Path) -> None:
    counts(tmp_path, 1)
    for _ in range(3):
        passes(tmp_path, NAMED)
    with pytest.raises(TokenSpent):
        passes(tmp_path, NAMED.model_copy(update={"idempotency_key": "order-8"}))


def test_a_refused_repetition_gives_nothing_back(tmp_path: Path) -> None:
    counts(tmp_path, 1)
    passes(tmp_path, NAMED)
    with pytest.raises(Overloaded):
        passes(tmp_path, NAMED, Overloaded("All places are taken."))
    with pytest.raises(TokenSpent):
        passes(tmp_path)


def test_a_request_that_counts_on_anothers_count_keeps_it_from_being_given_back(tmp_path: Path) -> None:
    counts(tmp_path, 1)

    async def scenario() -> None:
        decoy = TokenGenerations(counts(tmp_path)).held(PAGE, NAMED)
        await decoy.__aenter__()
        async with TokenGenerations(counts(tmp_path)).held(PAGE, NAMED):
            assert not await decoy.__aexit__(Overloaded, Overloaded("All places are taken."), None)

    asyncio.run(scenario())
    with pytest.raises(TokenSpent):
        passes(tmp_path)


def test_of_two_that_are_both_refused_one_is_given_back(tmp_path: Path) -> None:
    counts(tmp_path, 1)

    async def scenario() -> None:
        async with TokenGenerations(counts(tmp_path)).held(PAGE, NAMED):
            with pytest.raises(Overloaded):
                async with TokenGenerations(counts(tmp_path)).held(PAGE, NAMED):
                    raise Overloaded("All places are taken.")
            raise Overloaded("All places are taken.")

    with pytest.raises(Overloaded):
        asyncio.run(scenario())
    passes(tmp_path)
    with pytest.raises(TokenSpent):
        passes(tmp_path)


def test_whoever_was_there_before_a_failure_gives_back_nothing_of_what_came_after_it(tmp_path: Path) -> None:
    counts(tmp_path, 2)

    async def scenario() -> None:
        early = TokenGenerations(counts(tmp_path)).held(PAGE, NAMED)
        await early.__aenter__()
        with pytest.raises(GenerationFailed):
            async with TokenGenerations(counts(tmp_path)).held(PAGE, NAMED):
                raise GenerationFailed(Interrupted("Cancelled."))
        async with TokenGenerations(counts(tmp_path)).held(PAGE, NAMED):
            assert not await early.__aexit__(Overloaded, Overloaded("All places are taken."), None)

    asyncio.run(scenario())
    with pytest.raises(TokenSpent):
        passes(tmp_path)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (Generate(session_id="another", text="Hello."), SessionNotFound),
        (Generate(avatar_video_path="face.mp4", text="Hello."), Forbidden),
        (Generate(text="Hello."), Forbidden),
    ],
)
def test_it_speaks_with_its_session_alone(asked: Generate, error: type[EngineError], tmp_path: Path) -> None:
    counts(tmp_path, 1)
    with pytest.raises(error):
        passes(tmp_path, asked)
    passes(tmp_path)


def test_with_an_avatars_token_those_sessions_are_its_own_that_it_has_named(tmp_path: Path) -> None:
    counts(tmp_path, 1)
    grant = Grant(GRANT.token_id, None, "face", ())
    page = replace(PAGE, grant=grant)
    for other in ("abc123", f"fedcba9876543210-{GRANT.token_id}-x", GRANT.token_id):
        with pytest.raises(SessionNotFound):
            passes(tmp_path, ASKED.model_copy(update={"session_id": other}), caller=page)
    passes(tmp_path, ASKED.model_copy(update={"session_id": grant.session_name("x")}), caller=page)


def test_a_token_whose_count_is_gone_is_spent(tmp_path: Path) -> None:
    with pytest.raises(TokenSpent):
        passes(tmp_path)


def test_whoever_has_no_token_is_not_counted(tmp_path: Path) -> None:
    passes(tmp_path, caller=ANYBODY)
    assert list(LocalStore(tmp_path).list("tokens/")) == []
