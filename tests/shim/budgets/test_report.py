"""What the operator's table prints, and how far back a caller's days are read."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.ledger.entry import Entry
from engine.ledger.usage import Counters
from engine.store.local import LocalStore
from engine.store.protocol import StoredObject
from shim import usage
from shim.budgets.report import Days

NOW = datetime.now(UTC)


class CountingStore(LocalStore):
    reads = 0

    def get(self, key: str) -> StoredObject | None:
        self.reads += 1
        return super().get(key)


def spend(store: LocalStore, owner: str | None, days_ago: int, **amounts: Any) -> None:
    fields = {
        "day": (NOW - timedelta(days=days_ago)).date(),
        "name": f"job-{days_ago}",
        "owner": owner,
        "job_id": "job",
        "session_id": "s",
        "written": NOW,
        "avatar_sha256": None,
        "spoken": "text",
        "spoken_sha256": None,
        "renderer": "preview",
    }
    Counters(store).add(Entry.model_validate(fields | amounts))


def test_days_come_newest_first_and_settled_ones_are_read_once(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    for ago in (0, 2, 9, 40):
        spend(store, "key:alice", ago, seconds=ago + 0.5)
    spend(store, "key:bob", 1, seconds=100)
    days = Days(store, lambda: NOW)
    today = NOW.date()
    found = days.of("key:alice", 30)
    assert [(each.day, each.video_seconds) for each in found] == [
        (today, 0.5),
        (today - timedelta(days=2), 2.5),
        (today - timedelta(days=9), 9.5),
    ]
    store.reads = 0
    assert days.of("key:alice", 30) == found
    assert store.reads == 3


def printed(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> str:
    monkeypatch.setenv("STORE_DIR", str(folder))
    out = io.StringIO()
    assert usage.main(arguments, {}, out) == 0
    return out.getvalue()


def test_the_operator_sees_all_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    spend(store, "key:bob", 0, tts_characters=7)
    spend(store, "key:alice", 0, seconds=1.25, gpu_seconds=0.5)
    spend(store, None, 1, tts_characters=9)
    spend(store, "key:alice", 5)
    rows = [json.loads(line) for line in printed(monkeypatch, tmp_path, "--days", "2", "--json").splitlines()]
    today, yesterday = NOW.date().isoformat(), (NOW - timedelta(days=1)).date().isoformat()
    assert [(row["day"], row["owner"], row["video_seconds"], row["speech_characters"]) for row in rows] == [
        (today, "key:alice", 1.25, 0),
        (today, "key:bob", 0.0, 7),
        (yesterday, "anybody", 0.0, 9),
    ]
    lines = printed(monkeypatch, tmp_path).splitlines()
    assert lines[0].split() == ["day", "owner", "generations", "video_seconds", "gpu_seconds", "speech_characters"]
    assert lines[1].split() == [today, "key:alice", "1", "1.25", "0.5", "0"]
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
