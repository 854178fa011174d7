"""Files on their way from a client into the store, never whole in memory or on this disk."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, MediaUnreadable
from engine.outages import Interrupted, Overloaded
from engine.store.protocol import ObjectInfo, ObjectStore
from shim.refusals import UploadTooLarge

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AT_A_TIME = 8
OF_ONE = 6
"""So many of them are one caller's at most: a file may arrive as slowly as its sender likes."""

STALL_SECONDS = 60.0
"""An upload of which nothing comes for so long has ended."""

_BUFFER_BYTES = 1 << 20


class Uploads:
    """Stores at most AT_A_TIME files at once, each in a thread. Used in the event loop's thread alone."""

    def __init__(self, store: ObjectStore, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="upload")
        self._running: Counter[str] = Counter()

    async def store(self, key: str, pieces: AsyncIterator[bytes], who: str) -> ObjectInfo:
        """Write the file at ``key`` when it has come whole; until then and otherwise nothing is there. ``who``: whose
        other uploads it is counted with.

        Raises UploadTooLarge as soon as too much has come, MediaUnreadable for an empty file, Overloaded before
        anything is read, InvalidInput when nothing comes any more, and what ``pieces`` and the store raise.
        """
        if self._running.total() >= AT_A_TIME or self._running[who] >= OF_ONE:
            raise Overloaded("Too many files are being uploaded. Try again in a minute.", 60)
        self._running[who] += 1
        arriving = ArrivingFile(self._within_limit(pieces), asyncio.get_running_loop())
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, key, arriving)
        finally:
            arriving.abandon()
            self._running -= Counter([who])

    def close(self) -> None:
        self._threads.shutdown()

    def _write(self, key: str, arriving: ArrivingFile) -> ObjectInfo:
        return self._store.upload(key, io.BufferedReader(arriving, _BUFFER_BYTES))

    async def _within_limit(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size > self._max_bytes:
                raise UploadTooLarge(f"The file is larger than the limit of {self._max_bytes:,} bytes.")
            yield piece
        if size == 0:
            raise MediaUnreadable("The uploaded file is empty. Send a video or a picture.")


class ArrivingFile(io.RawIOBase):
    """What arrives in the event loop ``loop``, read in another thread: each read waits for the next piece."""

    def __init__(self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._pieces = pieces
        self._loop = loop
        self._rest = b""
        self._waiting: Future[bytes] | None = None
        self._abandoned = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Raises what the pieces raise, InvalidInput when none comes, and Interrupted once abandoned."""
        if not self._rest:
            self._rest = self._next_piece()
        view = memoryview(buffer).cast("B")
        taken = self._rest[: len(view)]
        view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def abandon(self) -> None:
        """Nobody waits for the file any more: its reader is told. Called in the event loop's thread."""
        self._abandoned = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _next_piece(self) -> bytes:
        if self._abandoned:
            raise Interrupted("The upload was stopped.")
        self._waiting = asyncio.run_coroutine_threadsafe(self._arrived(), self._loop)
        try:
            return self._waiting.result(STALL_SECONDS)
        except TimeoutError:
            self._waiting.cancel()
            raise InvalidInput("The upload stopped arriving. Send the file again.") from None
        except CancelledError:
            raise Interrupted("The upload was stopped.") from None

    async def _arrived(self) -> bytes:
        """The next piece that isn't empty; empty at the end."""
        async for piece in self._pieces:
            if piece:
                return piece
        return b""
