"""Work that is done only as long as its client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(work: Coroutine[Any, Any, T], left: Coroutine[Any, Any, None]) -> T:
    """What ``work`` returns or raises. When ``left`` ends first, ``work`` is cancelled and ClientDisconnect raised."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(left)
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def client_left(receive: Receive) -> None:
    """Return when the client has closed the connection; ``receive`` is of HTTP, its body read, or of a WebSocket."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass
