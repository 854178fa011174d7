"""What a case must not leave behind: files, processes and open descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TASKS = Path("/proc/self/task")
DESCRIPTORS = Path("/proc/self/fd")


@contextmanager
def nothing_left(*folders: Path) -> Iterator[None]:
    """Raises AssertionError when the block leaves a file in one of the folders, a child process or a descriptor.

    Also when the block raises: the error that it raised is then the new one's context.
    """
    before, children = _open_descriptors(), _children()
    try:
        yield
    finally:
        left = [path.name for folder in folders if folder.exists() for path in folder.iterdir()]
        assert not left, f"files stay behind: {left[:5]}"
        assert _children() <= children, "a process stays behind"
        assert len(_open_descriptors()) <= len(before), f"open descriptors: {before} before, {_open_descriptors()} now"


def _children() -> set[str]:
    """This process's children, the dead and unburied included."""
    return {pid for task in TASKS.iterdir() for pid in _children_of(task)}


def _children_of(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except FileNotFoundError:
        # The thread has ended since it was listed.
        return []


def _open_descriptors() -> dict[str, str]:
    """Each descriptor with what it leads to; the one that lists them is gone by then."""
    found = {}
    for entry in DESCRIPTORS.iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found
