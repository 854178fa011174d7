"""How the worker asks its queue for jobs: until it is told to leave, patiently where the queue is gone, and anew after
the machine has slept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.clock import Clocks

T = TypeVar("T")

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0
"""A process for which a clock has gone so far between two looks was frozen, or moved: its connections may be dead."""

HELD_SECONDS = 0.2
"""A queue that answers sooner that it has nothing doesn't hold its polls: the next one waits."""

LEAVING_SECONDS = 0.05

NOBODY = ""
"""The id of no job: after an answer that names none at all the SDK rests for a second, also when it is to end."""

ARRIVED_SECONDS = 0.2
"""For an answer that has already arrived when its poll is given up: the job in it is the worker's."""


@dataclass
class Pauses:
    """Seconds to rest after polls that came to nothing, one after another: from ``first``, doubling up to ``most``."""

    first: float
    most: float
    _next: float = 0.0

    def after_failure(self) -> float:
        pause = self._next or self.first
        self._next = min(2 * pause, self.most)
        return pause

    def reset(self) -> None:
        self._next = 0.0


@dataclass
class Polling:
    """Stands between the SDK's loop and the polls that RunPod's queue holds open; lives in the loop's own thread.

    held: how many jobs the SDK has. on_leave: told, maybe by a signal, when the worker is to go. clocks: makes the
    clocks that one poll looks at.
    """

    held: Callable[[], int]
    on_leave: Callable[[], None] = lambda: None
    clocks: Callable[[], Clocks] = Clocks
    leaving: bool = False
    _end: Callable[[], None] | None = None
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _failures: Pauses = field(default_factory=lambda: Pauses(0.5, 10.0))
    _quick: Pauses = field(default_factory=lambda: Pauses(0.1, 0.5))

    def leave(self, end: Callable[[], None]) -> None:
        """Take no more jobs, and ``end`` when those that are held have been answered. May be called by a signal."""
        self.leaving, self._end = True, end
        self.on_leave()
        # Told once more after the loop has ended, the worker is on its way out already.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._told.set)

    def end_if_done(self) -> None:
        """Called before every poll for jobs."""
        if self.leaving and self._end is not None and not self.held():
            self._end()

    async def jobs(self, poll: Callable[[], Coroutine[Any, Any, list[T] | None]]) -> list[T] | None:
        """The jobs that the queue hands out; none when it has none, and when the worker is to leave.

        A job whose answer has arrived is never dropped. Raises what the poll raises, after a pause.
        """
        self._loop = asyncio.get_running_loop()
        if self.leaving:
            self._told.set()
            await asyncio.sleep(LEAVING_SECONDS)
            return None
        began = self._loop.time()
        try:
            jobs = await self._unless_told(poll())
        except Exception:
            await self._rest(self._failures.after_failure())
            raise
        self._failures.reset()
        if jobs or self._loop.time() - began > HELD_SECONDS:
            self._quick.reset()
        else:
            await self._rest(self._quick.after_failure())
        return jobs

    async def stops(self, poll: Callable[[], Coroutine[Any, Any, list[str]]]) -> list[str]:
        """The ids of jobs to stop, also of those that still run while the worker leaves."""
        gone = asyncio.ensure_future(self._gone())
        try:
            stops = await _first(poll(), gone, self.clocks())
        finally:
            gone.cancel()
        return [NOBODY] if gone.done() else stops or []

    async def _gone(self) -> None:
        await self._told.wait()
        while self.held():  # noqa: ASYNC110  # the SDK counts them, and tells nobody
            await asyncio.sleep(LEAVING_SECONDS)

    async def _unless_told(self, poll: Coroutine[Any, Any, T]) -> T | None:
        told = asyncio.ensure_future(self._told.wait())
        try:
            return await _first(poll, told, self.clocks())
        finally:
            told.cancel()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), seconds)


async def _first(poll: Coroutine[Any, Any, T], other: asyncio.Future[Any], clocks: Clocks) -> T | None:
    """What ``poll`` returns or raises; None where ``other`` was done first, or the process was frozen meanwhile.

    A poll that is given up has its connection closed, so that the queue sees that nobody waits any more.
    """
    polling = asyncio.ensure_future(poll)
    try:
        while not (polling.done() or other.done()):
            await asyncio.wait({polling, other}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if clocks.passed() > AWAY_SECONDS:
                break
        await asyncio.wait({polling}, timeout=ARRIVED_SECONDS)
    finally:
        polling.cancel()
    await asyncio.wait({polling})
    return None if polling.cancelled() else polling.result()
