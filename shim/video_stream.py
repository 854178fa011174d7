"""A video sent as it comes: chunked HTTP of no stated length."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.errors import EngineError, InternalError
from engine.streams.layout import MEDIA_TYPE
from shim.errors import GenerationFailed
from shim.leaving import client_left, while_connected
from shim.request_id import StreamBroken

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = logging.getLogger(__name__)


async def first_piece(request: Request, pieces: AsyncGenerator[bytes, None]) -> bytes:
    """The first of the pieces, which are closed when there is none. Raises what they raise, and ClientDisconnect."""
    try:
        first = await while_connected(_next(pieces), client_left(request.receive))
    except BaseException:
        await pieces.aclose()
        raise
    if first is None:
        raise InternalError("The video came to its end without a picture.")
    return first


class VideoStream(Response):
    """A chunked video whose first piece is there. A failure in it ends the connection, not the chunks."""

    media_type = MEDIA_TYPE

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        super().__init__(headers={**_HEADERS, **headers})
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await while_connected(self._pump(send), client_left(receive))
        except (EngineError, GenerationFailed) as error:
            log.warning("The stream broke: %s", error)
            raise StreamBroken from error
        finally:
            await self._rest.aclose()

    async def _pump(self, send: Send) -> None:
        piece: bytes | None = self._first
        while piece is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await _next(self._rest)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _next(pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(pieces, None)
