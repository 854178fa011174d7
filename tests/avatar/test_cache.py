"""The disk cache: filled once, within its budget, never half, never pulled from under a reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.avatar.cache import BundleCache, Content, Fill
from engine.cancel import Cancelled, CancelToken

BODY = b"x" * 1000

FILLER = """
import sys, time
from pathlib import Path
from engine.avatar.cache import BundleCache
from engine.cancel import CancelToken
from tests.avatar.test_cache import BODY, content
root, log, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def fill(folder, cancel):
    with log.open("a") as file:
        file.write("filled\\n")
    (folder / "part").write_bytes(BODY[:500])
    print("half", flush=True)
    time.sleep(pause)
    (folder / "part").write_bytes(BODY)

lease = BundleCache(root, 10_000).obtain(content("one", fill), CancelToken())
assert (lease.folder / "part").read_bytes() == BODY
"""


def write_body(folder: Path, cancel: CancelToken) -> None:
    (folder / "part").write_bytes(BODY)


def must_not_fill(folder: Path, cancel: CancelToken) -> None:
    raise AssertionError("filled again")


def content(name: str, fill: Fill = write_body) -> Content:
    return Content(
        name,
        len(BODY),
        fill,
        present=lambda folder: (folder / "part").exists() and (folder / "part").stat().st_size == len(BODY),
        sound=lambda folder: (folder / "part").read_bytes() == BODY,
    )


def put(cache: BundleCache, name: str) -> None:
    cache.obtain(content(name), CancelToken()).release()
    time.sleep(0.02)  # file times are as coarse as the kernel's tick


def start_filler(root: Path, log: Path, pause: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FILLER, str(root), str(log), str(pause)], stdout=subprocess.PIPE)


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_an_entry_is_filled_once_and_then_read(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 10_000)
    first = cache.obtain(content("one"), CancelToken())
    second = cache.obtain(content("one", must_not_fill), CancelToken())
    assert first.folder == second.folder
    assert (first.folder / "part").read_bytes() == BODY


def test_another_cache_on_the_same_folder_finds_it(tmp_path: Path) -> None:
    put(BundleCache(tmp_path, 10_000), "one")
    BundleCache(tmp_path, 10_000).obtain(content("one", must_not_fill), CancelToken())


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 3 * len(BODY))
    for name in ("one", "two", "three", "one", "four"):
        put(cache, name)
    assert cache.names() == ["four", "one", "three"]


def test_what_is_in_use_is_never_dropped(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 2 * len(BODY))
    lease = cache.obtain(content("one"), CancelToken())
    for name in ("two", "three", "four"):
        put(cache, name)
    assert cache.names() == ["four", "one"]
    assert (lease.folder / "part").read_bytes() == BODY
    del lease
    put(cache, "five")
    assert cache.names() == ["five", "four"]


def test_an_entry_larger_than_the_budget_is_kept_while_it_is_used(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 10)
    lease = cache.obtain(content("one"), CancelToken())
    assert (lease.folder / "part").read_bytes() == BODY
    lease.release()
    cache.trim()
    assert files_in(tmp_path) == []


def test_a_failed_filling_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path, cancel: CancelToken) -> None:
        (folder / "part").write_bytes(BODY)
        raise OSError(28, "no space")

    cache = BundleCache(tmp_path, 10_000)
    with pytest.raises(OSError, match="no space"):
        cache.obtain(content("one", fail), CancelToken())
    assert files_in(tmp_path) == []
    assert cache.names() == []


def test_an_altered_entry_is_filled_anew_by_the_next_process(tmp_path: Path) -> None:
    put(BundleCache(tmp_path, 10_000), "one")
    (tmp_path / "entries/one/part").write_bytes(b"y" + BODY[1:])
    lease = BundleCache(tmp_path, 10_000).obtain(content("one"), CancelToken())
    assert (lease.folder / "part").read_bytes() == BODY


def test_a_missing_file_is_noticed_at_every_use(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 10_000)
    put(cache, "one")
    (tmp_path / "entries/one/part").unlink()
    lease = cache.obtain(content("one"), CancelToken())
    assert (lease.folder / "part").read_bytes() == BODY


def test_a_dropped_entry_goes_when_its_last_reader_has(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path, 10_000)
    lease = cache.obtain(content("one"), CancelToken())
    put(cache, "one-too")
    put(cache, "two")
    cache.drop("one")
    assert cache.names() == ["one", "two"]
    assert (lease.folder / "part").read_bytes() == BODY
    lease.release()
    cache.trim()
    assert cache.names() == ["two"]


def test_two_processes_fill_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    racers = [start_filler(tmp_path / "cache", log, 0.3) for _ in range(3)]
    for racer in racers:
        racer.communicate()
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert log.read_text() == "filled\n"


def test_a_process_killed_while_filling_leaves_nothing_that_counts(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    with start_filler(root, tmp_path / "log", 60) as filler:
        assert filler.stdout is not None
        assert filler.stdout.readline() == b"half\n"
        assert BundleCache(root, 10_000).names() == []
        os.kill(filler.pid, signal.SIGKILL)
        filler.wait()
    cache = BundleCache(root, 10_000)
    put(cache, "two")
    assert files_in(root / "staging") == []
    put(cache, "one")
    assert (root / "entries/one/part").read_bytes() == BODY


def test_waiting_for_anothers_filling_ends_when_cancelled(tmp_path: Path) -> None:
    cache, filling, go_on = BundleCache(tmp_path, 10_000), threading.Event(), threading.Event()

    def slow(folder: Path, cancel: CancelToken) -> None:
        filling.set()
        go_on.wait(30)
        write_body(folder, cancel)

    thread = threading.Thread(target=lambda: cache.obtain(content("one", slow), CancelToken()))
    thread.start()
    assert filling.wait(10)
    cancel = CancelToken()
    threading.Timer(0.1, cancel.cancel).start()
    with pytest.raises(Cancelled):
        cache.obtain(content("one", must_not_fill), cancel)
    go_on.set()
    thread.join()
    assert cache.names() == ["one"]


def test_readers_and_evictions_at_the_same_time_never_lose_a_file(tmp_path: Path) -> None:
    cache, failures = BundleCache(tmp_path, 2 * len(BODY)), []

    def work(offset: int) -> None:
        for turn in range(60):
            lease = cache.obtain(content(f"entry{(turn + offset) % 5}"), CancelToken())
            if (lease.folder / "part").read_bytes() != BODY:
                failures.append(turn)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.trim()
    assert failures == []
    assert len(cache.names()) <= 2
