"""The turnstile: every generation passes it, however it was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from engine.schemas import Generate
from shim.callers import Caller


class Check(Protocol):
    """What a generation may be refused for before anything of it has begun."""

    def held(self, caller: Caller, request: Generate) -> AbstractAsyncContextManager[None]:
        """Entering raises the EngineError that refuses it, and takes what the generation counts for; leaving gives
        back what is only taken while it runs."""
        ...


class Turnstile:
    """Asks ``checks`` one after the other; where one refuses, those before it give back what they have taken."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks

    @asynccontextmanager
    async def held(self, caller: Caller, request: Generate) -> AsyncIterator[None]:
        """Let the generation of the block through. Raises what a check raises, before the block."""
        async with AsyncExitStack() as stack:
            for check in self._checks:
                await stack.enter_async_context(check.held(caller, request))
            yield
