"""Lists in pages: newest first, each page from where the one before it ended."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Self, TypeVar

from fastapi import Query

from engine.errors import InvalidInput
from engine.owner_index import Entry, is_place
from engine.records import ListedRecords, OwnedRecord

LONGEST = 100

LIMIT = Query(20, ge=1, le=LONGEST, description="Most items of the page.")
CURSOR = Query(
    None, max_length=200, description="The `next_cursor` of the page before. Without it: the newest.", examples=[None]
)
"""The two parameters of a list's path."""

_ROUNDS = 5
"""How often a page is filled up where entries of the index turn out to be of nothing."""

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=OwnedRecord)


@dataclass(frozen=True)
class PageAsked:
    """Which page: of up to ``limit`` items, after the place ``after``."""

    limit: int
    after: str | None

    @classmethod
    def of(cls, limit: int, cursor: str | None) -> Self:
        """Raises InvalidInput for a cursor that no page has answered."""
        return cls(limit, None if cursor is None else _place_of(cursor))


@dataclass(frozen=True)
class Page(Generic[T]):
    """next_cursor: None on the last page."""

    items: list[T]
    next_cursor: str | None


async def page_of(
    asked: PageAsked,
    owner: str | None,
    records: ListedRecords[RecordT],
    find: Callable[[Entry], Awaitable[T | None]],
    now: datetime,
) -> Page[T]:
    """One page of an owner's things: one listing, and what ``find`` reads for each entry; None is left out.

    Entries of what isn't there any more are removed, and the page filled up. Raises what the store raises.
    """
    items: list[T] = []
    place = asked.after
    for _ in range(_ROUNDS):
        wanted = asked.limit - len(items)
        listed = await asyncio.to_thread(records.index.page, records.kind, owner, place, wanted + 1)
        entries, more = listed[:wanted], len(listed) > wanted
        found = await asyncio.gather(*(find(entry) for entry in entries))
        items += [item for item in found if item is not None]
        missed = [entry for entry, item in zip(entries, found, strict=True) if item is None]
        await asyncio.to_thread(_tidy, records, missed, now)
        place = entries[-1].place if entries else place
        if not more or len(items) == asked.limit:
            break
    return Page(items, _cursor_of(place) if more and place is not None else None)


def _tidy(records: ListedRecords[RecordT], missed: list[Entry], now: datetime) -> None:
    for entry in missed:
        if entry.is_settled(now) and records.found(entry) is None:
            records.index.remove(entry)


def _cursor_of(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place_of(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        place = ""
    if not is_place(place):
        raise InvalidInput("`cursor`: it is none. Send the `next_cursor` of a page as it came, or leave it out.")
    return place
