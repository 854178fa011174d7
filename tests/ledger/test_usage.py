"""The counters' arithmetic, with several writers at once and answers that are lost."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InternalError
from engine.ledger.entry import Entry
from engine.ledger.ledger import Ledger
from engine.ledger.usage import Counters, Usage, usage_key
from engine.outages import Overloaded
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo

DAY = date(2026, 11, 22)
OWNERS = (None, "key:alice", "jwt:Bob@example.com / x")

amounts: st.SearchStrategy[dict[str, object]] = st.builds(
    dict,
    owner=st.sampled_from(OWNERS),
    ended=st.sampled_from(["done", "cancelled"]),
    seconds=st.integers(0, 900_000).map(lambda milliseconds: milliseconds / 1000),
    gpu_seconds=st.integers(0, 900_000).map(lambda milliseconds: milliseconds / 1000),
    tts_characters=st.integers(0, 5_000),
)


def entry(name: str, **changes: object) -> Entry:
    fields = {
        "day": DAY,
        "name": name,
        "owner": "key:alice",
        "job_id": name,
        "session_id": "s",
        "written": datetime(2026, 11, 22, tzinfo=UTC),
        "avatar_sha256": None,
        "spoken": "text",
        "spoken_sha256": "0" * 64,
        "renderer": "preview",
        "seconds": 1.5,
        "gpu_seconds": 0.25,
        "tts_characters": 10,
    }
    return Entry.model_validate(fields | changes)


def ledger(store: LocalStore) -> Ledger:
    """Whoever was second tries again at once."""
    return Ledger(store, Counters(store, lambda _: None))


@settings(max_examples=25, deadline=None)
@given(st.lists(amounts, max_size=24), st.integers(1, 4))
def test_whoever_writes_in_whatever_order_the_counters_are_the_sum_of_the_entries(
    given_amounts: list[dict[str, object]], writers: int
) -> None:
    entries = [entry(f"job-{number}", **fields) for number, fields in enumerate(given_amounts)]
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        with ThreadPoolExecutor(writers) as pool:
            # Each is written by two: whoever is first counts it.
            list(pool.map(lambda each: ledger(store).write(each), [*entries, *entries]))
        for owner in OWNERS:
            own = [each for each in entries if each.owner == owner]
            assert Counters(store).day(DAY, owner) == Usage(
                generations=sum(each.ended == "done" for each in own),
                video_seconds=sum(round(each.seconds * 1000) for each in own) / 1000,
                gpu_seconds=sum(round(each.gpu_seconds * 1000) for each in own) / 1000,
                speech_characters=sum(each.tts_characters for each in own),
            )


def test_an_entry_is_never_written_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    ledger(store).write(entry("job-1"))
    ledger(store).write(entry("job-1", tts_characters=999))
    found = store.get("audit/2026-11-22/job-1.json")
    assert found is not None
    assert Entry.model_validate_json(found.body) == entry("job-1")
    assert Counters(store).day(DAY, "key:alice").speech_characters == 10


class Forgetful(LocalStore):
    """Writes once and says that somebody else was first: the answer was lost, and then another one counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.others = Counters(LocalStore(folder))
        self.lost = False

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "") -> ObjectInfo | None:
        written = super().put_if_match(key, body, etag, content_type)
        if self.lost:
            return written
        self.lost = True
        self.others.add(entry("another"))
        return None


def test_a_writer_whose_answer_was_lost_does_not_count_twice(tmp_path: Path) -> None:
    Counters(LocalStore(tmp_path)).add(entry("job-1"))
    Counters(Forgetful(tmp_path), lambda _: None).add(entry("job-2"))
    assert Counters(LocalStore(tmp_path)).day(DAY, "key:alice").generations == 3


class Busy(LocalStore):
    """Somebody else is always first."""

    def put_if_absent(self, key: str, body: bytes, content_type: str = "") -> ObjectInfo | None:
        return None


def test_a_counter_that_others_always_change_first_is_given_up(tmp_path: Path) -> None:
    pauses: list[float] = []
    with pytest.raises(Overloaded):
        Counters(Busy(tmp_path), pauses.append).add(entry("job-1"))
    assert max(pauses) == 0.5


def test_counters_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(usage_key(DAY, "key:alice"), b"{}")
    with pytest.raises(InternalError, match=r"usage/2026-11-22/[0-9a-f]{40}\.json"):
        Counters(store).day(DAY, "key:alice")


def test_nobody_shares_the_counters_of_those_without_an_owner() -> None:
    assert len({usage_key(DAY, owner) for owner in (None, "key:", "jwt:", "key:alice", "jwt:alice", " ")}) == 6
