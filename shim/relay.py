"""Streams handed on from the store while they grow there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from engine.outages import Interrupted
from engine.streams.layout import RunKeys, StreamState
from shim.errors import GenerationFailed
from shim.refusals import StreamNotBegun
from shim.stored_streams import StoredStreams, stream_not_found

BEGIN_PAUSE_SECONDS = 0.2
BEGIN_SECONDS = 30.0
"""How long a request for a stream waits for its beginning: less than proxies do."""

PART_PAUSE_SECONDS = 0.1
"""Between two looks for a part that is not there yet: half a fragment's length."""

LOOK_SECONDS = 0.5
"""How long a part is missing until it is asked whether it will come at all, and from then on how often."""


@dataclass(frozen=True)
class Relay:
    """Reads streams for any number of clients at once; whoever leaves stops nothing but the reading."""

    streams: StoredStreams

    async def begun(self, stream_id: str, enough: Callable[[StreamState], bool]) -> StreamState:
        """The stream as soon as there is enough of it.

        Raises StreamNotBegun when that takes too long, and what StoredStreams.look raises.
        """
        end = asyncio.get_running_loop().time() + BEGIN_SECONDS
        while asyncio.get_running_loop().time() < end:
            state = await asyncio.to_thread(self.streams.look, stream_id)
            if state is not None and enough(state):
                return state
            await asyncio.sleep(BEGIN_PAUSE_SECONDS)
        raise _not_begun()

    async def video(self, stream_id: str) -> AsyncGenerator[bytes, None]:
        """The stream from its beginning to its end, as fast as it is there. Raises what ``begun`` and ``run`` do."""
        end = asyncio.get_running_loop().time() + BEGIN_SECONDS
        state = await self.begun(stream_id, lambda _: True)
        begun = False
        async with aclosing(self.run(stream_id, state)) as pieces:
            async for piece in pieces:
                begun = begun or piece != b""
                if not begun and asyncio.get_running_loop().time() > end:
                    raise _not_begun()
                if piece:
                    yield piece

    def run(self, stream_id: str, state: StreamState) -> AsyncGenerator[bytes, None]:
        """What the run of ``state`` stores, in order: the whole segments of a video that is finished, else its parts,
        and an empty piece wherever the next one is not there yet.

        Raises GenerationFailed when the run ends without a video or another one takes its place, StreamNotFound when
        the stream is removed, and what the store raises.
        """
        if state.state == "done":
            return self._finished(RunKeys(stream_id, state.run), len(state.segments))
        return GrowingRun(self.streams, stream_id, state).pieces()

    async def _finished(self, keys: RunKeys, segments: int) -> AsyncGenerator[bytes, None]:
        for key in (keys.init, *map(keys.segment, range(segments))):
            found = await asyncio.to_thread(self.streams.object, key)
            if found is None:
                raise stream_not_found()
            yield found.body


class GrowingRun:
    """One run that is being stored: init.mp4 and part after part."""

    def __init__(self, streams: StoredStreams, stream_id: str, state: StreamState) -> None:
        self._streams = streams
        self._keys = RunKeys(stream_id, state.run)
        self._state = state
        self._taken = 0
        self._waited = 0.0

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises what Relay.run does."""
        while not self._is_whole():
            key = self._keys.part(self._taken - 1) if self._taken else self._keys.init
            found = await asyncio.to_thread(self._streams.object, key)
            if found is not None:
                self._taken += 1
                self._waited = 0.0
                yield found.body
            else:
                await self._wait()
                yield b""

    def _is_whole(self) -> bool:
        return self._state.parts is not None and self._taken > self._state.parts

    async def _wait(self) -> None:
        if self._state.state == "done":
            raise stream_not_found()
        await asyncio.sleep(PART_PAUSE_SECONDS)
        self._waited += PART_PAUSE_SECONDS
        if self._waited >= LOOK_SECONDS:
            self._waited = 0.0
            await self._look()

    async def _look(self) -> None:
        state = await asyncio.to_thread(self._streams.look, self._keys.stream_id)
        # Without one its run has just failed, or its successor has just begun: what the record says comes next.
        if state is None:
            return
        if state.run != self._keys.run:
            raise GenerationFailed(Interrupted("The video's worker was lost, and another has begun it anew."))
        self._state = state


def _not_begun() -> StreamNotBegun:
    return StreamNotBegun("The video has not begun yet. Ask again.", 1)
