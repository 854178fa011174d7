"""Where jobs run: threads beside the event loop, which a cancelled job waits for."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from engine.cancel import Cancelled, CancelToken

T = TypeVar("T")

logger = logging.getLogger(__name__)


class JobThreads:
    """As many threads as the worker takes jobs at a time. Each calls ``begin`` first."""

    def __init__(self, count: int, begin: Callable[[], None] = lambda: None) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="job", initializer=begin)

    async def run(self, work: Callable[[], T], cancel: CancelToken) -> T:
        """What ``work`` returns or raises, from a thread that sees the caller's context variables.

        When the awaiting task is cancelled, ``cancel`` is set and the cancellation goes on only once the
        thread has left ``work``, however often the task is cancelled: the next job must not run beside it.
        """
        context = contextvars.copy_context()
        left = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        try:
            await asyncio.wait({left})
        except asyncio.CancelledError:
            cancel.cancel()
            await _left(left)
            raise
        return left.result()

    def close(self) -> None:
        """Wait for the threads to end."""
        self._pool.shutdown()


async def _left(future: asyncio.Future[T]) -> None:
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({future})
    error = future.exception()
    if error is not None and not isinstance(error, Cancelled):
        logger.warning("A cancelled job ended with an error.", exc_info=error)
