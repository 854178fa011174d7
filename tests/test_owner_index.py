"""The order in which an owner's things are listed, and what keeps the index right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.owner_index import GRACE, Entry, OwnerIndex, is_place
from engine.records import Records, SessionRecord
from engine.store.local import LocalStore

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def records(store: LocalStore) -> Records:
    return Records(store, lambda: NOW, lambda _: None)


def a_session(session_id: str, owner: str | None = None, created: datetime = NOW) -> SessionRecord:
    return SessionRecord(
        session_id=session_id,
        status="ready",
        input_hash="hash",
        owner=owner,
        heartbeat=created,
        created=created,
        updated=created,
    )


def listed(records: Records, owner: str | None = None, after: str | None = None, limit: int = 9) -> list[str]:
    return [entry.thing_id for entry in records.sessions.index.page("sessions", owner, after, limit)]


@given(TIMES, TIMES)
def test_keys_are_in_the_order_of_the_newest_first(one: datetime, other: datetime) -> None:
    first, second = (Entry.of("sessions", None, "same", created) for created in (one, other))
    assert (first.key < second.key) == (one > other)
    assert Entry.at(first.key) == first
    assert is_place(first.place)


@pytest.mark.parametrize("place", ["", "x", "../1", "8204617947109980-", "8204617947109980-a/b", "820461794710998-a"])
def test_no_other_word_is_a_place(place: str) -> None:
    assert not is_place(place)


def test_each_owner_lists_its_own_newest_first_and_page_by_page(records: Records) -> None:
    for number in range(5):
        owner = "alice" if number % 2 else None
        assert records.sessions.create(a_session(f"s{number}", owner, NOW + timedelta(microseconds=number)))
    assert listed(records) == ["s4", "s2", "s0"]
    assert listed(records, "alice") == ["s3", "s1"]
    assert listed(records, "bob") == []
    newest, *_ = records.sessions.index.page("sessions", None, None, 1)
    assert listed(records, after=newest.place, limit=1) == ["s2"]


def test_what_is_deleted_is_listed_no_more(records: Records, store: LocalStore) -> None:
    records.sessions.create(a_session("one"))
    records.sessions.delete("one")
    assert list(store.list("")) == []


def test_an_entry_is_there_before_its_record(
    records: Records, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, an entry is left, and no record that nobody would ever list."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "put_if_absent", killed)
    with pytest.raises(KeyboardInterrupt):
        records.sessions.create(a_session("one"))
    (entry,) = records.sessions.index.everybodys()
    assert records.is_stray(entry)
    assert not entry.is_settled(NOW + GRACE)
    assert entry.is_settled(NOW + 2 * GRACE)


def test_a_taken_id_gets_no_second_entry(records: Records) -> None:
    assert records.sessions.create(a_session("one"))
    assert not records.sessions.create(a_session("one", created=NOW + timedelta(seconds=1)))
    assert not records.sessions.create(a_session("one"))
    (entry,) = records.sessions.index.everybodys()
    assert not records.is_stray(entry)


def test_an_entry_of_another_creation_of_the_same_id_is_stray(records: Records) -> None:
    records.sessions.create(a_session("one"))
    stray = Entry.of("sessions", None, "one", NOW + timedelta(seconds=1))
    others = Entry.of("sessions", "alice", "one", NOW)
    assert records.is_stray(stray)
    assert records.is_stray(others)
    assert records.sessions.found(stray) is None


def test_other_objects_are_no_entries(store: LocalStore) -> None:
    store.put("owners/anybody/sessions/what-is-this", b"")
    assert list(OwnerIndex(store).everybodys()) == []
