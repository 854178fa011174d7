"""Locks between the processes of one host, which the kernel gives back when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from engine.cancel import CancelToken

POLL_SECONDS = 0.02


class Lock:
    """A held lock: shared by readers, or alone by one writer. Two of one process exclude each other too."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back, once."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the lock's file and give the lock back; for one who holds it alone."""
        self._path.unlink(missing_ok=True)
        self.release()

    def share(self) -> bool:
        """From alone to shared. False when another took it meanwhile: it is still to be released."""
        return _take(self._descriptor, alone=False)


def try_lock(path: Path, *, alone: bool) -> Lock | None:
    """Take the lock that the file ``path`` stands for, or None when others hold it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            taken = _take(descriptor, alone=alone)
            current = taken and _is_at(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if current:
            return Lock(path, descriptor)
        os.close(descriptor)
        if not taken:
            return None


def wait_for_lock(path: Path, cancel: CancelToken, *, alone: bool) -> Lock:
    """Take the lock as soon as it is free.

    Raises Cancelled when ``cancel`` says so first.
    """
    while (lock := try_lock(path, alone=alone)) is None:
        cancel.check()
        time.sleep(POLL_SECONDS)
    return lock


def _take(descriptor: int, *, alone: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    # Whoever held the lock before may have discarded the file between our opening and locking it.
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
