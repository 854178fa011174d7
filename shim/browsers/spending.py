"""How many videos each browser's token is still good for: counted in the store, for all servers that share it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.errors import EngineError
from engine.housekeeping.rules import TOKENS
from engine.records import Record, RecordSet, sleep_up_to
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from shim.browsers.reach import demand_own_video
from shim.callers import Caller
from shim.refusals import TokenSpent

log = logging.getLogger(__name__)


class Count(BaseModel):
    """A generation that is counted under an idempotency key. name: tells it from later ones under the same key.

    holders: requests for it that go on. begun: one of them has had its video, so that it is never given back.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    holders: int = 1
    begun: bool = False

    def held(self, more: int) -> Count:
        return self.model_copy(update={"holders": self.holders + more})


class TokenRecord(Record):
    """A token's count. left: generations that it is good for. counted: by hashes of idempotency keys: the same request
    again fetches the same video, as it does after a 504."""

    token_id: str
    expires_at: AwareDatetime
    left: int = Field(ge=0)
    counted: dict[str, Count] = Field(default_factory=dict)

    def changed(self, left: int, mark: str | None, count: Count | None) -> TokenRecord:
        """With so many ``left``, and this count under the mark, or none."""
        others = {other: each for other, each in self.counted.items() if other != mark}
        counted = others if mark is None or count is None else {**others, mark: count}
        return self.model_copy(update={"left": left, "counted": counted})


@dataclass(frozen=True)
class Spent:
    """What a request holds of its token: the count of that name, under a mark where the request has a key."""

    token_id: str
    mark: str | None
    name: str

    def found(self, record: TokenRecord) -> Count | None:
        """Its count; None when it was forgotten meanwhile."""
        count = record.counted.get(self.mark) if self.mark is not None else None
        return count if count is not None and count.name == self.name else None


class TokenCounts:
    """The counts in ``store``. ``now`` gives the time in UTC. Every method blocks, and raises what the store raises."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._records = RecordSet(store, TOKENS.folder, TokenRecord, lambda record: record.token_id, now, sleep_up_to)
        self._now = now

    def open(self, token_id: str, generations: int, expires_at: datetime) -> None:
        now = self._now()
        times = {"heartbeat": now, "created": now, "updated": now}
        self._records.create(TokenRecord(token_id=token_id, expires_at=expires_at, left=generations, **times))

    def spend(self, token_id: str, mark: str | None) -> Spent:
        """Count one generation, unless one with this mark is counted, which is held then. Raises TokenSpent."""
        new = Count(name=uuid.uuid4().hex)
        held = new

        def spent(record: TokenRecord) -> TokenRecord:
            nonlocal held
            known = record.counted.get(mark) if mark is not None else None
            if known is None and record.left == 0:
                raise _spent()
            held = new if known is None else known.held(+1)
            return record.changed(record.left - (known is None), mark, held)

        if self._records.update(token_id, spent) is None:
            raise _spent()
        return Spent(token_id, mark, held.name)

    def keep(self, spent: Spent) -> None:
        """Its video was made, and counts for good."""

        def kept(record: TokenRecord) -> TokenRecord:
            count = spent.found(record)
            begun = None if count is None else count.held(-1).model_copy(update={"begun": True})
            return record if begun is None else record.changed(record.left, spent.mark, begun)

        self._records.update(spent.token_id, kept)

    def give_back(self, spent: Spent) -> None:
        """The request was refused: uncount the generation, unless another request has it or is at it."""

        def given(record: TokenRecord) -> TokenRecord:
            if spent.mark is None:
                return record.changed(record.left + 1, None, None)
            count = spent.found(record)
            if count is None:
                return record
            if count.begun or count.holders > 1:
                return record.changed(record.left, spent.mark, count.held(-1))
            return record.changed(record.left + 1, spent.mark, None)

        self._records.update(spent.token_id, given)

    def forget(self, spent: Spent) -> None:
        """The generation came to nothing, and counts; the same request again is another one."""

        def forgotten(record: TokenRecord) -> TokenRecord:
            return record if spent.found(record) is None else record.changed(record.left, spent.mark, None)

        self._records.update(spent.token_id, forgotten)


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
        mark = _mark(request.idempotency_key)
        spent = await asyncio.to_thread(self._counts.spend, caller.grant.token_id, mark)
        try:
            yield
        except EngineError:
            # Of a video whose making had begun it would be a GenerationFailed.
            await _noted(self._counts.give_back, spent)
            raise
        except BaseException:
            if mark is not None:
                await _noted(self._counts.forget, spent)
            raise
        if mark is not None:
            await _noted(self._counts.keep, spent)


def _mark(key: str | None) -> str | None:
    return None if key is None else hashlib.sha256(key.encode()).hexdigest()[:16]


async def _noted(note: Callable[[Spent], None], spent: Spent) -> None:
    try:
        await asyncio.to_thread(note, spent)
    except EngineError as error:
        log.warning("The count of a browser's token could not be put right: %s", error.message)


def _spent() -> TokenSpent:
    return TokenSpent("This token has made all the videos that it was good for. Have a new one minted for the page.")
