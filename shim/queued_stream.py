"""A video that an endpoint's worker makes, handed on from the store while it grows there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from engine.errors import EngineError
from engine.outages import Outage
from engine.streams.layout import StreamState
from shim.backends import Begun, Fragment, Progress, StreamEvent
from shim.errors import GenerationFailed
from shim.following import Following
from shim.queue_jobs import QueueJobs
from shim.relay import Relay

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
PAUSE_SHARE = 1 / 32
"""Of the time that a stream has not begun, how much passes until the next look for it."""

log = logging.getLogger(__name__)


class QueuedStream:
    """One job that was submitted to be streamed. ``seconds``: how long its caller may wait for a beginning."""

    def __init__(self, following: Following, jobs: QueueJobs, relay: Relay, seconds: float) -> None:
        self._following = following
        self._jobs = jobs
        self._relay = relay
        self._seconds = seconds
        self._id = following.job.name.record_id
        self._tried: str | None = None
        self._sent = False
        self._whole = False
        self._told: Progress | None = None

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Raises what ends the job, StillRunning when its video doesn't begin in time, and what the store raises."""
        began = asyncio.get_running_loop().time()
        yield Begun(self._id)
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                if (progress := self._news()) is not None:
                    yield progress
                if piece:
                    yield Fragment(piece)
                elif not self._sent and asyncio.get_running_loop().time() - began > self._seconds:
                    raise self._jobs.still_running(self._following, self._seconds)
        self._following.nearly.set()
        await asyncio.wait({self._following.end})
        yield self._following.end.result()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """The video piece by piece, and empty ones while it has to be waited for."""
        began = asyncio.get_running_loop().time()
        while True:
            ended = self._following.end.done()
            state = await self._begun()
            if state is not None:
                async with aclosing(self._of_run(state)) as pieces:
                    async for piece in pieces:
                        yield piece
            if self._whole or (state is None and ended):
                return
            yield b""
            await self._rest(asyncio.get_running_loop().time() - began)

    async def _begun(self) -> StreamState | None:
        """The stream of a run that was not tried before; None also while the store is away."""
        try:
            state = await asyncio.to_thread(self._relay.streams.state, self._id)
        except Outage as error:
            log.warning("The stream %s could not be looked for: %s", self._id, error.message)
            return None
        return None if state is None or state.run == self._tried else state

    async def _of_run(self, state: StreamState) -> AsyncGenerator[bytes, None]:
        """A run that is lost before anything of it was sent counts as none: the job may be tried again."""
        try:
            async with aclosing(self._relay.run(self._id, state)) as pieces:
                async for piece in pieces:
                    if piece:
                        self._sent = True
                        self._following.retries = 0
                    yield piece
            self._whole = True
        except (EngineError, GenerationFailed) as error:
            if self._sent:
                raise error if isinstance(error, GenerationFailed) else GenerationFailed(error) from error
            # Where only the store was away, the same run may go on.
            self._tried = self._tried if isinstance(error, Outage) else state.run
            log.warning("A run of the stream %s was lost before anything of it was sent: %s", self._id, error)

    async def _rest(self, waited: float) -> None:
        pause = min(max(FIRST_PAUSE_SECONDS, waited * PAUSE_SHARE), LONGEST_PAUSE_SECONDS)
        await asyncio.wait({self._following.end}, timeout=pause)

    def _news(self) -> Progress | None:
        told, self._told = self._told, self._following.told
        return None if self._told == told else self._told
