"""Both forms of the client as a test calls them: the asynchronous one in a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
from talking_avatar import AsyncTalkingAvatar, TalkingAvatar


class InLoop:
    """An AsyncTalkingAvatar whose methods return when they are done."""

    def __init__(self, client: AsyncTalkingAvatar, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*given: Any, **named: Any) -> Any:
            return self._loop.run_until_complete(method(*given, **named))

        return call

    def stream(self, *given: Any, **named: Any) -> Iterator[bytes]:
        pieces = self._client.stream(*given, **named)
        try:
            while (piece := self._loop.run_until_complete(_next(pieces))) is not None:
                yield piece
        finally:
            self._loop.run_until_complete(pieces.aclose())


async def _next(pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(pieces, None)


@contextmanager
def waiting(url: str, key: str | None = None, **more: Any) -> Iterator[Any]:
    with TalkingAvatar(url, key, **more) as client:
        yield client


@contextmanager
def in_loop(url: str, key: str | None = None, **more: Any) -> Iterator[Any]:
    loop = asyncio.new_event_loop()
    client = AsyncTalkingAvatar(url, key, **more)
    try:
        yield InLoop(client, loop)
        loop.run_until_complete(client.close())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


Opening = Callable[..., AbstractContextManager[Any]]

CLIENTS: dict[str, Opening] = {"waiting": waiting, "in-loop": in_loop}
"""How each form is opened, with TalkingAvatar's own arguments."""


class Answers:
    """Answers requests in order from a list, and notes the pauses between them."""

    def __init__(self, *replies: httpx.Response | Exception) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def arguments(self, opening: Opening) -> dict[str, Any]:
        """What a client is given, so that it talks to this and never sleeps."""
        sleep = self._sleep_in_loop if opening is in_loop else self.pauses.append
        return {"transport": httpx.MockTransport(self._answer), "sleep": sleep}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _sleep_in_loop(self, seconds: float) -> Awaitable[None]:
        self.pauses.append(seconds)
        return asyncio.sleep(0)
