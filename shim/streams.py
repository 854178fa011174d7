"""A video sent while it is made: as chunked HTTP, or over a WebSocket with messages beside it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request, WebSocket
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.errors import EngineError, InternalError, InvalidInput
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from shim.backends import Backend, Fragment, Made, Progress, StreamEvent
from shim.bodies import parse_json_object, read_json_object
from shim.errors import BodyTooLarge, Failure, GenerationFailed, failure_of, log_failure
from shim.files import PREFIX, reply_of
from shim.generate import EXAMPLE, GENERATE_ERRORS, Asked
from shim.leaving import client_left, while_connected
from shim.openapi import body_of
from shim.request_id import StreamBroken, request_id_of

PATH = "/text-to-video-stream"
FIRST_MESSAGE_SECONDS = 30.0

_VIDEO = {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
_POLICY_VIOLATION, _INTERNAL_ERROR, _TRY_AGAIN_LATER = 1008, 1011, 1013

log = logging.getLogger(__name__)


def stream_routes(backend: Backend, store: ObjectStore, limit: int) -> APIRouter:
    """POST and WebSocket of text-to-video-stream."""
    router = APIRouter(prefix=PREFIX, tags=["Video generation"])

    @router.post(
        PATH,
        summary="Stream avatar video generation in real-time.",
        description="The fragmented MP4 comes in chunks while it is made. A failure before the first one has its "
        "status code; a later one breaks the connection and stands in the job's record. `X-Job-Id` names the job, "
        "and leaving cancels it. The same path takes a WebSocket, whose first message is this body.",
        response_class=Response,
        openapi_extra=body_of(Generate, required=True, example=EXAMPLE),
        responses={**GENERATE_ERRORS, 200: {"description": "The video as it is made.", **_VIDEO}},
    )
    async def text_to_video_stream(request: Request) -> Response:
        asked = Asked.of(await read_json_object(request, limit))
        events = backend.stream(asked.request, asked.job_id)
        try:
            first = await while_connected(_next_fragment(events), client_left(request.receive))
        except BaseException:
            await events.aclose()
            raise
        if first is None:
            raise InternalError("The video came to its end without a picture.")
        return VideoStream(first, events, asked.job_id)

    @router.websocket(PATH)
    async def text_to_video_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        conversation = Conversation(websocket, backend, store, limit)
        try:
            await conversation.hold()
        except (EngineError, GenerationFailed) as error:
            failure = failure_of(error)
            log_failure(error, failure)
            await refuse(websocket.scope, websocket.send, failure)

    return router


async def _next_fragment(events: AsyncGenerator[StreamEvent, None]) -> bytes | None:
    async for event in events:
        if isinstance(event, Fragment):
            return event.data
    return None


class VideoStream(Response):
    """A chunked video whose first fragment is there. A failure in it ends the connection, not the chunks."""

    media_type = "video/mp4"

    def __init__(self, first: bytes, events: AsyncGenerator[StreamEvent, None], job_id: str) -> None:
        super().__init__(headers={"X-Job-Id": job_id, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await while_connected(self._pump(send), client_left(receive))
        except (EngineError, GenerationFailed) as error:
            log.warning("The stream broke: %s", error)
            raise StreamBroken from error
        finally:
            await self._events.aclose()

    async def _pump(self, send: Send) -> None:
        piece: bytes | None = self._first
        while piece is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await _next_fragment(self._events)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Conversation:
    """One WebSocket: the request comes in, then start, fragments between progress, and end."""

    def __init__(self, websocket: WebSocket, backend: Backend, store: ObjectStore, limit: int) -> None:
        self._websocket = websocket
        self._backend = backend
        self._store = store
        self._limit = limit
        self._told = ""

    async def hold(self) -> None:
        """Raises EngineError, GenerationFailed and, when the client leaves, ClientDisconnect."""
        asked = Asked.of(parse_json_object(await self._first_message()))
        events = self._backend.stream(asked.request, asked.job_id)
        try:
            await while_connected(self._send_all(asked, events), client_left(self._websocket.receive))
        finally:
            await events.aclose()
        await self._websocket.close()

    async def _first_message(self) -> str | bytes:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
                message = await self._websocket.receive()
        except TimeoutError:
            raise InvalidInput("No request came. Send the JSON body as the first message.") from None
        if message["type"] == "websocket.disconnect":
            raise ClientDisconnect
        text: str | bytes = message.get("text") or message.get("bytes") or ""
        if len(text) > self._limit:
            raise BodyTooLarge(f"The message is larger than the {self._limit:,} bytes that this path takes.")
        return text

    async def _send_all(self, asked: Asked, events: AsyncGenerator[StreamEvent, None]) -> None:
        started = False
        async for event in events:
            if not started:
                await self._websocket.send_json(
                    {"type": "start", "job_id": asked.job_id, "content_type": "video/mp4", "warnings": asked.warnings}
                )
                started = True
            await self._send(event, asked)

    async def _send(self, event: StreamEvent, asked: Asked) -> None:
        match event:
            case Fragment(data):
                await self._websocket.send_bytes(data)
            case Progress(stage, share):
                await self._send_progress(stage, share)
            case Made():
                reply = reply_of(event, self._store, asked.warnings).model_dump(mode="json", exclude_none=True)
                await self._websocket.send_json({"type": "end", **reply})

    async def _send_progress(self, stage: str, share: float) -> None:
        """Every hundredth of the work once."""
        told = f"{stage} {share:.2f}"
        if told != self._told:
            self._told = told
            await self._websocket.send_json({"type": "progress", "stage": stage, "progress": round(share, 2)})


async def refuse(scope: Scope, send: Send, failure: Failure) -> None:
    """Tell an error to an accepted WebSocket, in the form of all errors, and close it."""
    fields = failure.fields(request_id_of(scope))
    await send({"type": "websocket.send", "text": json.dumps({"type": "error", **fields})})
    await send({"type": "websocket.close", "code": _close_code(failure)})


def _close_code(failure: Failure) -> int:
    if failure.status == 503:
        return _TRY_AGAIN_LATER
    return _INTERNAL_ERROR if failure.status >= 500 else _POLICY_VIOLATION
