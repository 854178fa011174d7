"""Whether a generation is within what its caller, and all together, may spend."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.ledger.usage import Usage
from engine.schemas import Generate
from engine.speech.text import speakable_text
from shim.budgets.settings import Budget, budget_of
from shim.budgets.spending import Spending
from shim.callers import Caller
from shim.limits.leases import Leases, LeaseScope
from shim.refusals import BudgetExceeded, TooManyGenerations


@dataclass(frozen=True)
class Purse:
    """A budget, and whose it is: ``scope`` of its jobs, ``told`` to people, ``used`` so far today."""

    budget: Budget
    scope: LeaseScope
    told: str
    used: Callable[[], Usage]

    def demand(self, characters: int, promised: int, now: datetime) -> None:
        """Raises BudgetExceeded unless so many characters more, beside those ``promised`` to others, may be spent."""
        budget, used = self.budget, self.used()
        if budget.gpu_seconds_per_day is not None and used.gpu_seconds >= budget.gpu_seconds_per_day:
            raise _exceeded(f"{self.told} {budget.gpu_seconds_per_day:,g} GPU seconds of today are used up.", now)
        if budget.speech_characters_per_day is not None and characters > 0:
            left = max(0, budget.speech_characters_per_day - used.speech_characters - promised)
            if characters > left:
                whole = f"{self.told} {budget.speech_characters_per_day:,} speech characters of today"
                raise _exceeded(
                    f"The text has {characters:,} characters, and of {_lower(whole)} {left:,} are left.", now
                )

    @property
    def is_counted(self) -> bool:
        """Whether it says anything of what is spent a day."""
        return self.budget.gpu_seconds_per_day is not None or self.budget.speech_characters_per_day is not None


@dataclass(frozen=True, eq=False)
class Promise:
    """Characters for a request that goes on. ``work``: of requests for the same, the longest text counts."""

    work: str
    characters: int


@dataclass(frozen=True)
class BudgetCheck:
    """A Check of the turnstile. ``total``: of all callers together. ``now`` gives the time in UTC.

    What runs here is promised its characters until it has ended and is counted; what runs on other replicas shows once
    it is counted.
    """

    budgets: Mapping[str, Budget]
    total: Budget | None
    spending: Spending
    leases: Leases
    now: Callable[[], datetime]
    _promised: dict[LeaseScope, list[Promise]] = field(default_factory=dict, repr=False)

    @asynccontextmanager
    async def held(self, caller: Caller, request: Generate) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for purse in self._purses(caller.owner):
                await stack.enter_async_context(self._within(purse, caller, request))
            try:
                yield
            finally:
                self.spending.forget(caller.owner)

    @asynccontextmanager
    async def _within(self, purse: Purse, caller: Caller, request: Generate) -> AsyncIterator[None]:
        characters = 0 if request.text is None else len(speakable_text(request.text))
        promise = Promise(_work(caller, request), characters)
        # Promised before anything is waited for, so that of those who come at once not all find the budget unspent.
        others = self._others(purse, promise.work)
        with self._promised_to(purse, promise):
            if purse.is_counted:
                await asyncio.to_thread(purse.demand, characters, others, self.now())
            async with AsyncExitStack() as stack:
                try:
                    await stack.enter_async_context(self._lease(purse, promise.work))
                except TooManyGenerations as error:
                    raise BudgetExceeded(f"{purse.told} concurrent jobs are all at work. {error.message}") from None
                yield

    def _lease(self, purse: Purse, work: str) -> AbstractAsyncContextManager[None]:
        most = purse.budget.concurrent_jobs
        return nullcontext() if most is None else self.leases.held(purse.scope, most, work)

    def _purses(self, owner: str | None) -> list[Purse]:
        purses = []
        own = budget_of(self.budgets, owner)
        if own is not None:
            purses.append(Purse(own, LeaseScope("key", owner or ""), "Your", lambda: self.spending.of(owner)))
        if self.total is not None:
            purses.append(Purse(self.total, LeaseScope("server", ""), "This server's", self.spending.total))
        return purses

    def _others(self, purse: Purse, work: str) -> int:
        longest: dict[str, int] = {}
        for other in self._promised.get(purse.scope, []):
            if other.work != work:
                longest[other.work] = max(longest.get(other.work, 0), other.characters)
        return sum(longest.values())

    @contextmanager
    def _promised_to(self, purse: Purse, promise: Promise) -> Iterator[None]:
        promised = self._promised.setdefault(purse.scope, [])
        promised.append(promise)
        try:
            yield
        finally:
            promised.remove(promise)
            if not promised:
                self._promised.pop(purse.scope, None)


def _work(caller: Caller, request: Generate) -> str:
    """What the request is for: the same for those of one owner under one key."""
    key = request.idempotency_key
    return uuid.uuid4().hex if key is None else f"{key} {caller.owner or ''}"


def day_end(now: datetime) -> datetime:
    """When the day of UTC ends."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _exceeded(sentence: str, now: datetime) -> BudgetExceeded:
    seconds = (day_end(now) - now).total_seconds()
    return BudgetExceeded(f"{sentence} The next day begins at midnight, UTC.", seconds)
