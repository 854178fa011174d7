"""Pages of an owner's things: what they cost, and what becomes of entries whose thing is gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from bench.counted_requests import READ, WRITE, CountedRequests, billed
from engine.errors import InvalidInput
from engine.owner_index import GRACE, Entry
from engine.records import Records, SessionRecord
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from shim.pages import Page, PageAsked, page_of

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> CountedRequests:
    return CountedRequests(LocalStore(tmp_path))


@pytest.fixture
def records(store: CountedRequests) -> Records:
    return Records(cast(ObjectStore, store), lambda: NOW, lambda _: None)


def make(records: Records, count: int, age: timedelta = timedelta()) -> list[str]:
    """Sessions, the newest first."""
    names = [f"s{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        created = NOW - age + timedelta(milliseconds=number)
        record = SessionRecord(
            session_id=name, status="ready", input_hash="hash", heartbeat=created, created=created, updated=created
        )
        assert records.sessions.create(record)
    return names[::-1]


def page(records: Records, limit: int, cursor: str | None = None, now: datetime = NOW) -> Page[str]:
    async def find(entry: Entry) -> str | None:
        record = await asyncio.to_thread(records.sessions.found, entry)
        return None if record is None else record.session_id

    return asyncio.run(page_of(PageAsked.of(limit, cursor), None, records.sessions, find, now))


def test_a_page_costs_one_listing_and_a_read_for_each_of_its_items(store: CountedRequests, records: Records) -> None:
    names = make(records, 25)
    store.since_last()
    first = page(records, 20)
    assert billed(store.since_last()) == {WRITE: 1, READ: 20}
    assert first.items == names[:20]
    rest = page(records, 20, first.next_cursor)
    assert (rest.items, rest.next_cursor) == (names[20:], None)


def test_the_last_page_says_so(records: Records) -> None:
    names = make(records, 3)
    assert page(records, 3) == Page(names, None)
    assert page(records, 2).next_cursor is not None
    assert page(records, 2, page(records, 2).next_cursor) == Page(names[2:], None)


def test_what_comes_in_between_moves_no_page(records: Records) -> None:
    names = make(records, 4)
    cursor = page(records, 2).next_cursor
    newer = SessionRecord(
        session_id="newer", status="ready", input_hash="hash", heartbeat=NOW, created=NOW + GRACE, updated=NOW
    )
    records.sessions.create(newer)
    assert page(records, 2, cursor).items == names[2:]


@pytest.mark.parametrize(("age", "is_tidied"), [(timedelta(), False), (2 * GRACE, True)])
def test_entries_of_nothing_are_left_out_and_in_time_removed(
    store: CountedRequests, records: Records, age: timedelta, is_tidied: bool
) -> None:
    names = make(records, 6, age)
    for name in names[1:4]:
        store.delete(f"sessions/{name}.json")
    assert page(records, 2).items == [names[0], names[4]]
    left = {entry.thing_id for entry in records.sessions.index.everybodys()}
    assert left == (set(names) - set(names[1:4]) if is_tidied else set(names))


def test_a_long_row_of_entries_of_nothing_ends_the_page_early_and_the_next_goes_on(
    store: CountedRequests, records: Records
) -> None:
    names = make(records, 9)
    for name in names[:8]:
        store.delete(f"sessions/{name}.json")
    early = page(records, 1)
    assert early.items == []
    assert early.next_cursor is not None
    assert page(records, 4, early.next_cursor).items == [names[8]]


@pytest.mark.parametrize("cursor", ["", "x", "====", "Li4vLi4vc2VjcmV0cw", "ä", "0" * 200])
def test_a_cursor_that_no_page_has_answered_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="next_cursor"):
        PageAsked.of(20, cursor)
