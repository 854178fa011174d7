"""A media file being written, which is there when it is finished and gone when anything failed."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
from av.container import OutputContainer
from av.packet import Packet

from engine.outages import StorageFull


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise StorageFull in place of the system's error for a full disk or quota."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The worker's disk is full. Try again, or give it more space.") from error
        raise


class OutputFile:
    """A container file at ``path``, used by one thread at a time.

    The file is Python's own and libav writes through it, because libav leaks the handle of a file it opened
    itself when the disk is full from the start.
    """

    def __init__(self, path: Path, container_format: str, options: dict[str, str], trailer: bytes = b"") -> None:
        """``trailer`` follows what libav writes."""
        self._path = path
        self._trailer = trailer
        with disk_errors():
            self._file: BinaryIO = path.open("w+b")
        # Not a bound method: in a cycle with the container, the encoders' memory would wait for the collector.
        reader = partial(_open_again, path, self._file)
        self.container: OutputContainer = av.open(
            self._file, "w", format=container_format, container_options=options, io_open=reader
        )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Whatever is raised inside removes the file. Raises StorageFull when the disk is full."""
        if self._file.closed:
            raise ValueError("the file is finished or discarded")
        try:
            with disk_errors():
                yield
        except BaseException:
            self.discard()
            raise

    def mux(self, packet: Packet[Any]) -> None:
        self.container.mux(packet)

    def finish(self) -> None:
        """Write what is left and close the file."""
        self.container.close()
        self._file.seek(0, os.SEEK_END)
        self._file.write(self._trailer)
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file, unless it is finished."""
        if self._file.closed:
            return
        # Closing writes what is still buffered: on a full disk that fails again, and nobody needs it.
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


def _open_again(path: Path, file: BinaryIO, _url: str, _flags: int, _options: dict[str, str]) -> BinaryIO:
    """A second handle for the muxer, which reads what it wrote to move the index to the front."""
    file.flush()
    return path.open("rb")


class MediaWriter(ABC):
    """What the writers share: a file that ``close`` finishes; leaving the block by an error removes it."""

    def __init__(self, output: OutputFile) -> None:
        self._output = output

    def close(self) -> None:
        """Encode what is held back and finish the file. Raises StorageFull; the file is then gone."""
        with self._output.guarded():
            self._flush()
            self._output.finish()

    def abort(self) -> None:
        """Give up: nothing is left of the file. After ``close`` this does nothing."""
        self._output.discard()

    @abstractmethod
    def _flush(self) -> None:
        """Encode and mux all that the encoders still hold."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()
