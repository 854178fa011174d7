"""Boot records in the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.boot_record import BootRecord, newest_boot_record, write_boot_record
from engine.errors import InternalError
from engine.fitness import check_store
from engine.schemas import HealthReply
from engine.store.local import LocalStore
from engine.store.protocol import StoredObject

HEALTH = HealthReply(
    device="cuda", cuda_available=True, models_loaded=True, renderer="preview", versions={"python": "3.11"}
)


def record(pod: str) -> BootRecord:
    return BootRecord.of(pod, HEALTH, {"warming": 1.23456}, datetime.now(UTC))


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert newest_boot_record(store) is None
    write_boot_record(store, record("pod1"))
    found = newest_boot_record(store)
    assert found is not None
    assert (found.pod, found.device, found.phases) == ("pod1", "cuda", {"warming": 1.235})


def test_the_newest_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for pod in ("b", "c", "a"):
        write_boot_record(store, record(pod))
    found = newest_boot_record(store)
    assert found is not None
    assert found.pod == "a"
    write_boot_record(store, record("b"))
    assert (newest_boot_record(store) or found).pod == "b"


@pytest.mark.parametrize("pod", ["../up", "a/b", "host.name", "x" * 100])
def test_any_name_of_a_pod_is_a_key(tmp_path: Path, pod: str) -> None:
    store = LocalStore(tmp_path)
    write_boot_record(store, record(pod))
    assert [info.key.count("/") for info in store.list("workers/")] == [1]
    found = newest_boot_record(store)
    assert found is not None
    assert found.pod == pod


def test_a_record_that_can_t_be_read_is_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("workers/pod.json", b"{}")
    with pytest.raises(InternalError, match=r"workers/pod\.json"):
        newest_boot_record(store)


def test_the_probe_of_a_worker_that_starts_at_the_moment_is_no_record(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    write_boot_record(store, record("pod1"))
    found: list[BootRecord | None] = []

    class Looked(LocalStore):
        def get(self, key: str) -> StoredObject | None:
            found.append(newest_boot_record(store))
            return super().get(key)

    check_store(Looked(tmp_path))
    assert [each.pod for each in found if each] == ["pod1"]
