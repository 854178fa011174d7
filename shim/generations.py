"""Videos as the API has them made: past the turnstile, by the backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError
from shim.asked import Asked
from shim.avatars.consent import Consent
from shim.backends import Backend, Made, StreamEvent
from shim.callers import Caller
from shim.errors import GenerationFailed
from shim.turnstile import Turnstile


@dataclass(frozen=True)
class Generations:
    """Every path that makes a video goes through here. Raises what the turnstile and the backend raise."""

    backend: Backend
    turnstile: Turnstile
    consent: Consent
    _left: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    def asked(self, body: Mapping[str, Any], caller: Caller) -> Asked:
        """What the caller asks for. Raises ConsentRequired, and what Asked raises."""
        self.consent.demand_of_body(body, caller)
        return Asked.of(body, caller.owner)

    async def make(self, caller: Caller, asked: Asked) -> Made:
        """The finished video."""
        async with self._held(caller, asked):
            return await self.backend.generate(asked.request, asked.job_id)

    async def stream(self, caller: Caller, asked: Asked) -> AsyncGenerator[StreamEvent, None]:
        """The video while it is made. Closing the generator cancels it."""
        async with self._held(caller, asked), aclosing(self.backend.stream(asked.request, asked.job_id)) as events:
            async for event in events:
                yield event

    @asynccontextmanager
    async def _held(self, caller: Caller, asked: Asked) -> AsyncIterator[None]:
        """What the turnstile gives is held until the work has ended, although its caller may be answered before."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.turnstile.held(caller, asked.request))
            try:
                yield
            except (EngineError, GenerationFailed):
                end = self.backend.end_of(asked.job_id)
                if end is not None:
                    self._hold_on(stack.pop_all(), end)
                raise

    def _hold_on(self, stack: AsyncExitStack, end: asyncio.Future[Made]) -> None:
        async def hold() -> None:
            async with stack:
                await asyncio.wait({end})

        task = asyncio.create_task(hold(), name="a job whose caller no longer waits")
        self._left.add(task)
        task.add_done_callback(self._left.discard)
