"""Locks between processes: given back by the kernel, sound though their files come and go."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.avatar.locks import try_lock, wait_for_lock
from engine.cancel import Cancelled, CancelToken

HOLDER = """
import sys, time
from pathlib import Path
from engine.avatar.locks import try_lock
lock = try_lock(Path(sys.argv[1]), alone=True)
print("held", flush=True)
time.sleep(60)
"""


def test_readers_share_and_a_writer_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = try_lock(path, alone=False), try_lock(path, alone=False)
    assert first is not None
    assert second is not None
    assert try_lock(path, alone=True) is None
    first.release()
    second.release()
    alone = try_lock(path, alone=True)
    assert alone is not None
    assert try_lock(path, alone=False) is None
    assert alone.share()
    reader = try_lock(path, alone=False)
    assert reader is not None
    reader.release()
    alone.release()


def test_a_killed_holder_gives_its_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert try_lock(path, alone=False) is None
        holder.kill()
        holder.wait()
    lock = try_lock(path, alone=True)
    assert lock is not None
    lock.discard()
    assert not path.exists()


def test_waiting_ends_when_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = try_lock(path, alone=True)
    assert held is not None
    cancel = CancelToken()
    threading.Timer(0.1, cancel.cancel).start()
    with pytest.raises(Cancelled):
        wait_for_lock(path, cancel, alone=False)
    held.release()


def test_no_two_hold_it_alone_though_each_removes_the_file(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lock", 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            lock = wait_for_lock(path, CancelToken(), alone=True)
            inside += 1
            most = max(most, inside)
            inside -= 1
            lock.discard()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not path.exists()
