"""Videos as the API has them made: past the turnstile, by the backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from shim.asked import Asked
from shim.backends import Backend, Made, StreamEvent
from shim.callers import Caller
from shim.turnstile import Turnstile


@dataclass(frozen=True)
class Generations:
    """Every path that makes a video goes through here. Raises what the turnstile and the backend raise."""

    backend: Backend
    turnstile: Turnstile

    async def make(self, caller: Caller, asked: Asked) -> Made:
        """The finished video."""
        async with self.turnstile.held(caller, asked.request):
            return await self.backend.generate(asked.request, asked.job_id)

    async def stream(self, caller: Caller, asked: Asked) -> AsyncGenerator[StreamEvent, None]:
        """The video while it is made. Closing the generator cancels it."""
        async with (
            self.turnstile.held(caller, asked.request),
            aclosing(self.backend.stream(asked.request, asked.job_id)) as events,
        ):
            async for event in events:
                yield event
