"""How many videos each browser's token is still good for: counted in the store, for all servers that share it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from pydantic import AwareDatetime, Field

from engine.errors import EngineError
from engine.housekeeping.rules import TOKENS
from engine.records import Record, RecordSet, sleep_up_to
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from shim.browsers.reach import demand_own_video
from shim.callers import Caller
from shim.refusals import TokenSpent

log = logging.getLogger(__name__)


class TokenRecord(Record):
    """A token's count. left: generations that it is good for. counted: hashes of idempotency keys whose generation is
    counted: the same request again fetches the same video, as it does after a 504."""

    token_id: str
    expires_at: AwareDatetime
    left: int = Field(ge=0)
    counted: tuple[str, ...] = ()


class TokenCounts:
    """The counts in ``store``. ``now`` gives the time in UTC. Every method blocks, and raises what the store raises."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._records = RecordSet(store, TOKENS.folder, TokenRecord, lambda record: record.token_id, now, sleep_up_to)
        self._now = now

    def open(self, token_id: str, generations: int, expires_at: datetime) -> None:
        now = self._now()
        times = {"heartbeat": now, "created": now, "updated": now}
        self._records.create(TokenRecord(token_id=token_id, expires_at=expires_at, left=generations, **times))

    def spend(self, token_id: str, mark: str | None) -> bool:
        """Count one generation, unless one with this mark is counted; whether it was. Raises TokenSpent."""
        is_counted = False

        def spent(record: TokenRecord) -> TokenRecord:
            nonlocal is_counted
            is_counted = mark not in record.counted
            if is_counted and record.left == 0:
                raise _spent()
            return _changed(record, -1, mark) if is_counted else record

        if self._records.update(token_id, spent) is None:
            raise _spent()
        return is_counted

    def give_back(self, token_id: str, mark: str | None) -> None:
        """Uncount a generation that was never begun."""
        self._records.update(token_id, lambda record: _changed(_without(record, mark), 1, None))

    def forget(self, token_id: str, mark: str | None) -> None:
        """The generation with this mark came to nothing, and counts; the same request again is another one."""
        self._records.update(token_id, lambda record: _without(record, mark))


class TokenGenerations:
    """A Check of the turnstile: its last, so that nothing is counted for what another one refuses."""

    def __init__(self, counts: TokenCounts) -> None:
        self._counts = counts

    @asynccontextmanager
    async def held(self, caller: Caller, request: Generate) -> AsyncIterator[None]:
        """Raises TokenSpent, and what demand_own_video does."""
        if caller.grant is None:
            yield
            return
        demand_own_video(caller, request)
        token_id, mark = caller.grant.token_id, _mark(request.idempotency_key)
        is_counted = await asyncio.to_thread(self._counts.spend, token_id, mark)
        try:
            yield
        except EngineError:
            # Of a video whose making had begun it would be a GenerationFailed.
            if is_counted:
                await _noted(self._counts.give_back, token_id, mark)
            raise
        except BaseException:
            if mark is not None:
                await _noted(self._counts.forget, token_id, mark)
            raise


def _mark(key: str | None) -> str | None:
    return None if key is None else hashlib.sha256(key.encode()).hexdigest()[:16]


def _changed(record: TokenRecord, more: int, mark: str | None) -> TokenRecord:
    counted = record.counted if mark is None else (*record.counted, mark)
    return record.model_copy(update={"left": record.left + more, "counted": counted})


def _without(record: TokenRecord, mark: str | None) -> TokenRecord:
    return record.model_copy(update={"counted": tuple(other for other in record.counted if other != mark)})


async def _noted(note: Callable[[str, str | None], None], token_id: str, mark: str | None) -> None:
    try:
        await asyncio.to_thread(note, token_id, mark)
    except EngineError as error:
        log.warning("The count of a browser's token could not be put right: %s", error.message)


def _spent() -> TokenSpent:
    return TokenSpent("This token has made all the videos that it was good for. Have a new one minted for the page.")
