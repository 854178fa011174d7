"""Folders for work in progress that are gone when the work ends, and after a crash when the next work begins."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.avatar.locks import try_lock, wait_for_lock
from engine.cancel import CancelToken

PREFIX = "avatar-"
"""Of all their names."""

LOCK_SUFFIX = ".lock"


@contextmanager
def workspace(root: Path, prefix: str = f"{PREFIX}preparing-") -> Iterator[Path]:
    """A new folder beneath ``root``, removed with all that it holds; first those of dead processes are.

    Raises OSError where there is no room for it.
    """
    root.mkdir(parents=True, exist_ok=True)
    _clear_away(root)
    folder = root / f"{prefix}{uuid.uuid4().hex}"
    lock = wait_for_lock(_lock_of(folder), CancelToken(), alone=True)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.discard()


def _clear_away(root: Path) -> None:
    # The lock's file is made before the folder and removed after it, so every folder has one, and so has what
    # a crash left between the two.
    for path in list(root.glob(f"{PREFIX}*{LOCK_SUFFIX}")):
        # Another user's folders in a shared temporary folder are that user's business.
        with suppress(PermissionError):
            _clear_if_dead(path)


def _clear_if_dead(path: Path) -> None:
    lock = try_lock(path, alone=True)
    if lock is not None:
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        lock.discard()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK_SUFFIX)
