"""A job of RunPod's queue on its way to its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from engine.jobs import JobName
from shim.backends import Made, Progress

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
PAUSE_SHARE = 1 / 32
"""Of the time that a job has taken so far, how much passes until the next look at it."""


@dataclass(frozen=True)
class QueueJob:
    """A generate that the queue has taken.

    job_id: what this server calls it. queue_id: what the queue does. session_id: the session that it speaks with.
    """

    job_id: str
    queue_id: str
    name: JobName
    session_id: str | None


@dataclass
class Following:
    """A job that is looked at until it has ended.

    retries: how often it may still be tried again. told: what its worker last said of its progress.
    nearly: set when the end can't be far.
    """

    job: QueueJob
    retries: int
    told: Progress | None = None
    nearly: asyncio.Event = field(default_factory=asyncio.Event)
    end: asyncio.Task[Made] = field(init=False)

    async def rest(self, taken: float) -> None:
        """Wait until it is time for another look at a job that has taken so many seconds."""
        if self.nearly.is_set():
            await asyncio.sleep(FIRST_PAUSE_SECONDS)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_pause(taken)):
                await self.nearly.wait()


def _pause(taken: float) -> float:
    """Seconds until the next look at a job that has taken so many: the longer it takes, the less a delay matters."""
    return min(max(FIRST_PAUSE_SECONDS, taken * PAUSE_SHARE), LONGEST_PAUSE_SECONDS)
