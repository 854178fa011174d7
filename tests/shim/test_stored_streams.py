"""What is said of a stream in the store, by whoever wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import RecordDamaged
from engine.records import Records
from engine.store.local import LocalStore
from engine.streams.layout import state_key
from shim.stored_streams import StoredStreams


@pytest.mark.parametrize("body", [b"", b"{", b'{"run": "one", "state": "resting"}'])
def test_a_damaged_state_is_a_typed_error(tmp_path: Path, body: bytes) -> None:
    store = LocalStore(tmp_path)
    store.put(state_key("job"), body)

    def now() -> datetime:
        return datetime.now(UTC)

    with pytest.raises(RecordDamaged, match=r"streams/job/stream\.json"):
        StoredStreams(store, Records(store, now), now).look("job")
