"""Prepared avatars on this host's disk: fetched once, then read by any thread of any process here.

    {root}/entries/{name}/      a whole entry: it appears by one rename
    {root}/staging/{name}/      one being filled, or being removed; what a crash leaves here is cleared away
    {root}/locks/{name}         held shared by those who use the entry, alone by who fills or removes it

An entry's age is the time of its folder, set at every use.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.avatar.locks import Lock, try_lock, wait_for_lock
from engine.cancel import CancelToken

UNWANTED = ".unwanted"
"""In an entry that was to be removed while it was in use: it goes as soon as nobody uses it."""


Fill = Callable[[Path, CancelToken], None]


@dataclass(frozen=True)
class Content:
    """What an entry is to hold.

    size: bytes in all. fill: put the files into a new folder, whole and checked. present: whether a folder
    has them all, by a look at their sizes; sound: the same by their checksums.
    """

    name: str
    size: int
    fill: Fill
    present: Callable[[Path], bool]
    sound: Callable[[Path], bool]


class Lease:
    """The right to read an entry's files: they stay where they are as long as this object lives."""

    def __init__(self, folder: Path, lock: Lock) -> None:
        self.folder = folder
        self._end = weakref.finalize(self, lock.release)

    def release(self) -> None:
        """End it before the object goes; a second time nothing happens."""
        self._end()


class BundleCache:
    """Keeps entries within ``budget_bytes``, dropping those whose last use is longest ago.

    What is in use is never dropped, so more than the budget lies there while more than that is in use.
    """

    def __init__(self, root: Path, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._entries, self._staging, self._locks = (root / part for part in ("entries", "staging", "locks"))
        for folder in (self._entries, self._staging, self._locks):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._known_sound: set[str] = set()

    def obtain(self, content: Content, cancel: CancelToken) -> Lease:
        """The entry's files, filled in if they aren't there. Checksums are verified once in each process.

        Raises what ``content.fill`` raises, Cancelled, and OSError when the disk is full.
        """
        while True:
            lock = wait_for_lock(self._locks / content.name, cancel, alone=False)
            if (lease := self._lease(content, lock)) is not None:
                return lease
            lock = wait_for_lock(self._locks / content.name, cancel, alone=True)
            self._fill_alone(content, lock, cancel)
            if (lease := self._lease_of_filled(content, lock)) is not None:
                return lease

    def drop(self, prefix: str) -> None:
        """Remove the entries whose names begin so; those in use go when they are no longer."""
        for entry in list(self._entries.glob(f"{prefix}*")):
            if not self._remove(entry.name):
                _mark_unwanted(entry)

    def names(self) -> list[str]:
        """The entries that are here."""
        return sorted(entry.name for entry in self._entries.iterdir())

    def trim(self, coming: int = 0) -> None:
        """Make room for so many bytes more, clear away what a crash has left, and remove what is unwanted."""
        for leftover in list(self._staging.iterdir()):
            self._sweep(leftover.name)
        found = [used for entry in self._entries.iterdir() if (used := _Used.of(entry)) is not None]
        total = sum(used.size for used in found) + coming
        for used in sorted(found, key=lambda each: (not each.unwanted, each.last_use)):
            if (used.unwanted or total > self._budget) and self._remove(used.name):
                total -= used.size

    def _lease(self, content: Content, lock: Lock) -> Lease | None:
        """A lease on the entry if it is whole; otherwise, and on errors, the lock is released."""
        try:
            if self._is_whole(content):
                os.utime(self._entries / content.name)
                return Lease(self._entries / content.name, lock)
        except BaseException:
            lock.release()
            raise
        lock.release()
        return None

    def _lease_of_filled(self, content: Content, lock: Lock) -> Lease | None:
        if lock.share():
            return self._lease(content, lock)
        lock.release()
        return None

    def _is_whole(self, content: Content) -> bool:
        folder = self._entries / content.name
        if not content.present(folder):
            return False
        if content.name not in self._known_sound and not content.sound(folder):
            return False
        self._known_sound.add(content.name)
        return True

    def _fill_alone(self, content: Content, lock: Lock, cancel: CancelToken) -> None:
        try:
            if not self._is_whole(content):
                self._fill(content, cancel)
        except BaseException:
            try:
                self._clear(content.name)
            finally:
                lock.discard()
            raise

    def _fill(self, content: Content, cancel: CancelToken) -> None:
        self._clear(content.name)
        self.trim(coming=content.size)
        staging = self._staging / content.name
        staging.mkdir()
        content.fill(staging, cancel)
        staging.rename(self._entries / content.name)
        self._known_sound.add(content.name)
        # Another process may have filled an entry at the same time: together they can be more than the budget.
        self.trim()

    def _remove(self, name: str) -> bool:
        """Remove an entry, unless it is in use."""
        with self._alone(name) as alone:
            if alone:
                self._clear(name)
        return alone

    def _sweep(self, name: str) -> None:
        """Remove from ``staging`` what nobody is filling any more."""
        with self._alone(name) as alone:
            if alone:
                _remove_folder(self._staging / name)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[bool]:
        lock = try_lock(self._locks / name, alone=True)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.discard()

    def _clear(self, name: str) -> None:
        """Remove both, the lock being held alone. By way of ``staging``: no half of an entry is ever seen."""
        entry, staging = self._entries / name, self._staging / name
        self._known_sound.discard(name)
        _remove_folder(staging)
        if entry.exists():
            entry.rename(staging)
            _remove_folder(staging)


@dataclass(frozen=True)
class _Used:
    """An entry's size in bytes and last use in nanoseconds."""

    name: str
    size: int
    last_use: int
    unwanted: bool

    @classmethod
    def of(cls, entry: Path) -> _Used | None:
        """None when another process removes it meanwhile."""
        try:
            size = sum(file.stat().st_size for file in entry.iterdir())
            return cls(entry.name, size, entry.stat().st_mtime_ns, (entry / UNWANTED).exists())
        except FileNotFoundError:
            return None


def _remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _mark_unwanted(entry: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (entry / UNWANTED).touch()
