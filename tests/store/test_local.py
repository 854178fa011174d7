from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from engine.outages import StorageFull, StorageUnavailable
from engine.store.local import ABANDONED_AFTER_SECONDS, LocalStore
from tests.store.contract import StoreContract
from tests.store.racers import OpenStore, stall


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_store(root: Path) -> OpenStore:
    return partial(LocalStore, root)


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


class TestContract(StoreContract):
    """The local store is an object store."""


def test_the_url_is_a_path_that_opens(store: LocalStore, root: Path) -> None:
    store.put("outputs/a.mp4", b"film")
    assert store.url("outputs/a.mp4") == str(root.resolve() / "outputs/a.mp4")
    assert Path(store.url("outputs/a.mp4")).read_bytes() == b"film"


def test_a_file_edited_by_hand_has_another_etag(store: LocalStore) -> None:
    before = store.put("a", b"one")
    path = Path(store.url("a"))
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    head = store.head("a")
    assert head is not None
    assert head.etag == store.put("b", b"two").etag != before.etag
    assert store.put_if_match("a", b"three", before.etag) is None


def test_the_etag_needs_no_attributes(store: LocalStore) -> None:
    put = store.put("a", b"one")
    path = Path(store.url("a"))
    path.write_bytes(b"one")
    for name in os.listxattr(path):
        os.removexattr(path, name)
    head = store.head("a")
    assert head is not None
    assert head.etag == put.etag
    assert store.put_if_match("a", b"two", put.etag) is not None


def test_the_type_is_noted_on_the_file(store: LocalStore) -> None:
    store.put("a.mp4", b"", "video/mp4")
    assert os.getxattr(store.url("a.mp4"), "user.mime_type") == b"video/mp4"


def test_a_key_beneath_an_objects_key_is_refused(store: LocalStore) -> None:
    store.put("a", b"1")
    store.put("b/c", b"2")
    for key in ("a/b", "a/b/c", "b"):
        for write in (store.put, store.put_if_absent):
            with pytest.raises(ValueError, match="above or beneath"):
                write(key, b"3")
    store.delete("a/b")
    store.delete("b")
    assert [info.key for info in store.list("")] == ["a", "b/c"]


def test_no_link_leads_out(store: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file"):
        assert store.get(key) is None
        assert store.head(key) is None
        assert store.get_range(key, 0, 6) is None
        assert store.download(key, tmp_path / "copy") is None
    assert list(store.list("")) == []
    assert list(store.list("folder/")) == []
    with pytest.raises(ValueError, match="above or beneath"):
        store.put("folder/new", b"1")
    store.delete("folder/secret")
    store.put("file", b"mine")
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret": b"secret"}


def test_a_named_pipe_is_no_object(store: LocalStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert store.get("pipe") is None
    assert list(store.list("")) == []


def test_empty_folders_go_with_their_last_object(store: LocalStore, root: Path) -> None:
    store.put("outputs/a/b/c", b"1")
    store.put("outputs/d", b"1")
    store.delete("outputs/a/b/c")
    assert not (root / "outputs/a").exists()
    assert (root / "outputs").exists()


def test_what_a_killed_writer_left_is_swept_when_it_is_old(root: Path, open_store: OpenStore, tmp_path: Path) -> None:
    writer = stall(open_store, "big", tmp_path / "told")
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    assert len(list((root / "+incoming").iterdir())) == 1
    LocalStore(root)
    assert len(list((root / "+incoming").iterdir())) == 1
    LocalStore(root, clock=lambda: time.time() + ABANDONED_AFTER_SECONDS + 60)
    assert list((root / "+incoming").iterdir()) == []


def test_nothing_stays_behind_a_finished_write(store: LocalStore, root: Path) -> None:
    info = store.put("a", b"1")
    store.put_if_absent("a", b"2")
    store.put_if_match("a", b"3", "stale")
    store.put_if_match("a", b"4", info.etag)
    assert list((root / "+incoming").iterdir()) == []


FULL_DISK = """
import io, resource, sys
from pathlib import Path
from engine.outages import StorageFull
from engine.store.local import LocalStore

store = LocalStore(Path(sys.argv[1]))
store.put("a", b"older")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (
    lambda: store.put("a", bytes(200_000)),
    lambda: store.put_if_absent("b", bytes(200_000)),
    lambda: store.upload("c", io.BytesIO(bytes(3_000_000))),
):
    try:
        write()
    except StorageFull as error:
        print(error.message)
"""


def test_a_full_disk_is_said_and_nothing_changes(store: LocalStore, root: Path) -> None:
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(root)], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert len(lines) == 3
    assert all("no room left" in line and str(root) not in line for line in lines)
    found = store.get("a")
    assert found is not None
    assert found.body == b"older"
    assert [info.key for info in store.list("")] == ["a"]
    assert list((root / "+incoming").iterdir()) == []


def test_a_copy_that_finds_no_room_says_so(store: LocalStore, tmp_path: Path) -> None:
    store.put("a", bytes(300_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageFull):
            store.download("a", tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_lost_root_is_an_outage_and_not_an_empty_store(store: LocalStore, root: Path) -> None:
    store.put("a", b"1")
    root.rename(root.with_name("elsewhere"))
    for act in (lambda: store.get("a"), lambda: list(store.list("")), lambda: store.put("a", b"2")):
        with pytest.raises(StorageUnavailable) as caught:
            act()
        assert str(root) not in caught.value.message


def test_a_root_that_is_a_file_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        LocalStore(tmp_path / "file")


def test_writing_and_deleting_in_one_folder_hinder_nobody(store: LocalStore) -> None:
    def churn(number: int) -> None:
        for turn in range(30):
            store.put(f"folder/inner/{number}", str(turn).encode())
            store.delete(f"folder/inner/{number}")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(churn, range(6)))
    assert list(store.list("")) == []
