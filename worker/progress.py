"""A job's progress, sent in order, at most about once a second, and never after the job's result."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TextIO

from worker import sdk

Update = dict[str, Any]

Report = Callable[[Update], None]
"""Takes a job's progress from any thread, at once."""

ProgressOf = Callable[[str], AbstractAsyncContextManager[Report]]
"""Where the progress of the job with that id goes, while it runs."""

SECONDS_BETWEEN = 1.0

logger = logging.getLogger(__name__)


class ProgressSender:
    """Sends the newest update, one at a time; older ones that waited meanwhile are dropped.

    An async context: leaving it sends what waits, unless it is left because the job was cancelled, and
    afterwards nothing is sent any more. Only ``report`` may be called from any thread.
    """

    def __init__(self, send: Callable[[Update], Awaitable[None]], seconds_between: float = SECONDS_BETWEEN) -> None:
        self._send = send
        self._seconds_between = seconds_between
        self._loop = asyncio.get_running_loop()
        self._newest: Update | None = None
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._changed.set()
        if isinstance(error, asyncio.CancelledError):
            self._task.cancel()
        await self._ended()

    def report(self, update: Update) -> None:
        """Take an update from any thread; nothing waits."""
        self._loop.call_soon_threadsafe(self._take, update)

    async def _ended(self) -> None:
        # Updates of a thread that has left are all taken by now: they and the news of its end came through
        # call_soon_threadsafe, in order.
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if not self._task.cancelled() and (error := self._task.exception()):
            logger.error("Progress could not be sent.", exc_info=error)

    def _take(self, update: Update) -> None:
        self._newest = update
        self._changed.set()

    async def _work(self) -> None:
        while (update := await self._next()) is not None:
            await self._send_one(update)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._seconds_between)

    async def _next(self) -> Update | None:
        await self._changed.wait()
        update, self._newest = self._newest, None
        if not self._closing.is_set():
            self._changed.clear()
        return update

    async def _send_one(self, update: Update) -> None:
        try:
            await self._send(update)
        except (OSError, ValueError) as error:
            logger.warning("A progress update was not delivered: %s", type(error).__name__)


class ProgressLines:
    """Progress for someone at a terminal: one line for every stage, and for every tenth of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: tuple[str, int] | None = None

    def report(self, update: Mapping[str, Any]) -> None:
        stage = str(update.get("stage") or update.get("status") or "working")
        tenth = int(float(update.get("progress") or 0) * 10 + 1e-6)
        if (stage, tenth) != self._shown:
            self._shown = (stage, tenth)
            self._stream.write(f"{stage:>16} {tenth * 10:3d} %\n")
            self._stream.flush()


@asynccontextmanager
async def queue_progress(job_id: str) -> AsyncIterator[Report]:
    """Progress as the job's output while it is IN_PROGRESS."""
    async with sdk.progress_channel(job_id) as send, ProgressSender(send) as sender:
        yield sender.report


@asynccontextmanager
async def shown_progress(job_id: str) -> AsyncIterator[Report]:
    """Progress on stderr, where no queue is."""
    yield ProgressLines(sys.stderr).report
