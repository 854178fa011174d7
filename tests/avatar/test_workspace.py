"""Folders for work in progress."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.avatar.workspace import workspace

WORKER = """
import sys, time
from pathlib import Path
from engine.avatar.workspace import workspace
with workspace(Path(sys.argv[1])) as folder:
    (folder / "frames").write_bytes(b"x")
    print("working", flush=True)
    time.sleep(60)
"""


def test_a_workspace_is_gone_afterwards(tmp_path: Path) -> None:
    with workspace(tmp_path) as folder:
        (folder / "frames").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_is_gone_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with workspace(tmp_path) as folder:
            (folder / "frames").write_bytes(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_next_clears_away_what_a_killed_process_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "avatar-job-of-somebody").mkdir()
    with subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"working\n"
        with workspace(tmp_path):
            assert len(list(tmp_path.rglob("frames"))) == 1
        worker.kill()
        worker.wait()
    with workspace(tmp_path):
        assert list(tmp_path.rglob("frames")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["avatar-job-of-somebody"]
