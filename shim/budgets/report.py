"""What a caller has used, by day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from engine.ledger.usage import Counters, Usage
from engine.store.protocol import ObjectStore
from shim.budgets.check import day_end
from shim.budgets.settings import Budget
from shim.callers import Caller, caller_of
from shim.refusals import Forbidden

MOST_DAYS = 366
SETTLED = timedelta(days=2)
"""No job that began so long ago is still at work: its day's counters change no more."""

_MOST_KEPT = 20_000
_READERS = 8
_EXAMPLE: JsonDict = {
    "days": [
        {
            "day": "2026-11-22",
            "generations": 12,
            "video_seconds": 148.2,
            "gpu_seconds": 61.75,
            "speech_characters": 2210,
        }
    ],
    "budget": {"concurrent_jobs": 2, "gpu_seconds_per_day": 600, "speech_characters_per_day": 20000},
    "left": {"gpu_seconds": 538.25, "speech_characters": 17790},
    "resets_at": "2026-11-23T00:00:00Z",
}


class DayReply(Usage):
    """A day of UTC, when the jobs began."""

    day: date


class Left(BaseModel):
    """What is left of today's budget, of what it limits."""

    gpu_seconds: float | None = None
    speech_characters: int | None = None

    @classmethod
    def of(cls, budget: Budget, used: Usage) -> Left:
        gpu, characters = budget.gpu_seconds_per_day, budget.speech_characters_per_day
        return cls(
            gpu_seconds=None if gpu is None else max(0.0, round(gpu - used.gpu_seconds, 3)),
            speech_characters=None if characters is None else max(0, characters - used.speech_characters),
        )


class UsageReply(BaseModel):
    """The caller's own days on which anything was used, the newest first, and its budget, if it has one."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    days: list[DayReply]
    budget: Budget | None = None
    left: Left | None = None
    resets_at: datetime = Field(description="When the next day begins.")


class Days:
    """Reads owners' days. ``now`` gives the time in UTC."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._counters = Counters(store)
        self._now = now
        self._settled: dict[tuple[date, str | None], Usage] = {}

    def of(self, owner: str | None, most: int) -> list[DayReply]:
        """The last ``most`` days, today among them, as far as anything was used. Blocks; raises as the store does."""
        today = self._now().astimezone(UTC).date()
        days = [today - timedelta(days=back) for back in range(most)]
        with ThreadPoolExecutor(_READERS, thread_name_prefix="usage") as readers:
            used = list(readers.map(lambda day: self._usage(day, owner, today), days))
        return [
            DayReply(day=day, **usage.model_dump()) for day, usage in zip(days, used, strict=True) if usage != Usage()
        ]

    def _usage(self, day: date, owner: str | None, today: date) -> Usage:
        known = self._settled.get((day, owner))
        if known is not None:
            return known
        usage = self._counters.day(day, owner)
        if today - day > SETTLED and len(self._settled) < _MOST_KEPT:
            self._settled[day, owner] = usage
        return usage


def usage_routes(
    days: Days, budget_of: Callable[[str | None], Budget | None], now: Callable[[], datetime]
) -> APIRouter:
    """GET /api/v1/usage. ``budget_of``: an owner's budget."""
    router = APIRouter(prefix="/api/v1", tags=["Usage"])

    @router.get(
        "/usage",
        summary="What was used by day, and what is left of today's budget.",
        response_model_exclude_none=True,
    )
    async def usage(
        request: Request,
        count: Annotated[int, Query(ge=1, le=MOST_DAYS, alias="days", description="How many, today among them.")] = 30,
    ) -> UsageReply:
        caller = caller_of(request.scope)
        _demand_own(caller)
        found = await asyncio.to_thread(days.of, caller.owner, count)
        moment = now()
        budget = budget_of(caller.owner)
        left = None if budget is None else Left.of(budget, _today(found, moment))
        return UsageReply(days=found, budget=budget, left=left, resets_at=day_end(moment))

    return router


def _demand_own(caller: Caller) -> None:
    if caller.kind in ("browser", "link"):
        raise Forbidden("What a key has used is shown to its holder alone. Ask with the key, from a server.")


def _today(days: list[DayReply], now: datetime) -> Usage:
    return next((each for each in days if each.day == now.astimezone(UTC).date()), Usage())
