"""Real processes, and what Linux says of their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.process_memory import ChildrenPeaks, children_of, peak_bytes

HELD = 200_000_000


@contextmanager
def process_that(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has run ``program`` and then waits."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; print('done', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process
        process.communicate("\n")


def test_memory_that_was_given_back_counts() -> None:
    with process_that(f"x = b'1' * {HELD}; del x") as process:
        peak = peak_bytes(process.pid)
    assert peak is not None
    assert HELD < peak < HELD + 100_000_000
    assert peak_bytes(process.pid) is None


def test_a_child_is_not_charged_with_its_parents_memory() -> None:
    held = b"1" * HELD
    with process_that("pass") as process:
        children = ChildrenPeaks(os.getpid())
        children.look()
        assert process.pid in children_of(os.getpid())
    own = peak_bytes()
    assert own is not None
    assert own > len(held)
    assert 0 < children.largest < HELD


def test_without_children_there_is_no_peak() -> None:
    with process_that("pass") as process:
        children = ChildrenPeaks(process.pid)
        children.look()
    assert children.largest == 0
