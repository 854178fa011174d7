"""Folders beneath a root, opened one name at a time without following a symbolic link.

Every step is relative to the folder already open, so nothing that is renamed or linked meanwhile leads out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@contextmanager
def open_folder(root: Path, names: Sequence[str], create: bool = False) -> Iterator[int]:
    """The folder ``root/names[0]/names[1]...`` as a descriptor.

    With ``create`` missing folders are made. Raises OSError (ENOENT, ENOTDIR, ELOOP) when a name is missing, is no
    folder or is a symbolic link, and ESTALE when the root itself is gone.
    """
    folder = _open_root(root)
    try:
        for name in names:
            inner = _step(folder, name, create)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _open_root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        # A lost volume must not read as a store without objects.
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from error


def _step(folder: int, name: str, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)


@contextmanager
def open_file(root: Path, names: Sequence[str]) -> Iterator[int | None]:
    """The regular file ``root/names[0]/...`` as a descriptor for reading; None when no such file is there."""
    file = _regular_file(root, names)
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def _regular_file(root: Path, names: Sequence[str]) -> int | None:
    *folders, name = names
    try:
        with open_folder(root, folders) as folder:
            # Without O_NONBLOCK a named pipe would hold the reader until somebody writes into it.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def walk(root: Path, names: Sequence[str], wanted: Callable[[str], bool]) -> Iterator[tuple[str, ...]]:
    """The names of every regular file beneath ``root/names...``, in the order of their joined paths.

    ``wanted`` is asked with each path, relative to the root and joined by `/`: what it refuses is left out, with all
    that lies beneath. What vanishes during the walk is left out too.
    """
    for name, is_folder in _entries(root, names):
        inner = (*names, name)
        if not wanted("/".join(inner)):
            continue
        if is_folder:
            yield from walk(root, inner, wanted)
        else:
            yield inner


def _entries(root: Path, names: Sequence[str]) -> list[tuple[str, bool]]:
    try:
        with open_folder(root, names) as folder, os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if _is_plain(entry)]
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise
    # A folder's files are compared by what follows its name: a slash, which sorts after `-` and `.`.
    return sorted(found, key=lambda entry: entry[0] + "/" * entry[1])


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)


def prune(root: Path, names: Sequence[str]) -> None:
    """Remove the folder ``root/names...`` and those above it, up to the root, as far as they are empty."""
    for depth in range(len(names), 0, -1):
        try:
            with open_folder(root, names[: depth - 1]) as parent:
                os.rmdir(names[depth - 1], dir_fd=parent)
        except OSError:
            return
