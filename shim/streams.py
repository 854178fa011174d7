"""A video sent while it is made: as chunked HTTP, or over a WebSocket with messages beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, WebSocket
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope, Send

from engine.errors import EngineError, InvalidInput
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from engine.streams.layout import MEDIA_TYPE
from shim.asked import Asked
from shim.backends import Begun, Fragment, Made, Progress, StreamEvent
from shim.bodies import parse_json_object, read_json_object
from shim.browsers.tokens import answered_subprotocol
from shim.callers import caller_of
from shim.errors import Failure, GenerationFailed, failure_of, log_failure
from shim.files import PREFIX, reply_of
from shim.generate import EXAMPLE
from shim.generations import Generations
from shim.jobs.later import ASYNC_REPLIES, IsAsync, LaterJobs
from shim.keyed_requests import KEY_PARAMETER, refuse_key
from shim.leaving import client_left, while_connected
from shim.links import Links
from shim.openapi import body_of
from shim.refusals import BodyTooLarge
from shim.request_id import request_id_of
from shim.stream_paths import stream_addresses, stream_headers
from shim.video_stream import VideoStream, first_piece

PATH = "/text-to-video-stream"
FIRST_MESSAGE_SECONDS = 30.0

_VIDEO = {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
_POLICY_VIOLATION, _INTERNAL_ERROR, _TRY_AGAIN_LATER = 1008, 1011, 1013


def stream_routes(
    generations: Generations, store: ObjectStore, limit: int, links: Links, later: LaterJobs
) -> APIRouter:
    """POST and WebSocket of text-to-video-stream."""
    router = APIRouter(prefix=PREFIX, tags=["Video generation"])
    _add_chunked(router, generations, limit, links, later)
    _add_socket(router, generations, store, limit, links)
    return router


def _add_chunked(router: APIRouter, generations: Generations, limit: int, links: Links, later: LaterJobs) -> None:
    @router.post(
        PATH,
        summary="Stream avatar video generation in real-time.",
        description="The fragmented MP4 comes in chunks while it is made. A failure before the first one has its "
        "status code; a later one breaks the connection and stands in the job's record. `X-Job-Id` names the job, "
        "and leaving cancels it; `X-Stream-Url` and `X-Hls-Url` are where others follow it. The same path takes a "
        "WebSocket, whose first message is this body. `Idempotency-Key` goes with `?async=true` alone.",
        response_class=Response,
        openapi_extra={**body_of(Generate, required=True, example=EXAMPLE), **KEY_PARAMETER},
        responses={
            **ASYNC_REPLIES,
            200: {"description": "The video as it is made.", **_VIDEO},
        },
    )
    async def text_to_video_stream(request: Request, is_async: IsAsync = False) -> Response:
        if is_async:
            return await later.accept(request, await read_json_object(request, limit))
        refuse_key(request)
        caller = caller_of(request.scope)
        asked = generations.asked(await read_json_object(request, limit), caller)
        fragments = Fragments(generations.stream(caller, asked))
        pieces = fragments.pieces()
        first = await first_piece(request, pieces)
        return VideoStream(first, pieces, stream_headers(fragments.stream_id, links, caller))


def _add_socket(router: APIRouter, generations: Generations, store: ObjectStore, limit: int, links: Links) -> None:
    @router.websocket(PATH)
    async def text_to_video_socket(websocket: WebSocket) -> None:
        await websocket.accept(answered_subprotocol(websocket.scope))
        conversation = Conversation(websocket, generations, store, limit, links)
        try:
            await conversation.hold()
        except (EngineError, GenerationFailed) as error:
            failure = failure_of(error)
            log_failure(error, failure)
            await refuse(websocket.scope, websocket.send, failure)


class Fragments:
    """The video of a stream's events as bytes. ``stream_id`` is known with the first of them."""

    def __init__(self, events: AsyncGenerator[StreamEvent, None]) -> None:
        self._events = events
        self.stream_id = ""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Closing the generator closes the events."""
        async with aclosing(self._events) as events:
            async for event in events:
                if isinstance(event, Begun):
                    self.stream_id = event.record_id
                if isinstance(event, Fragment):
                    yield event.data


class Conversation:
    """One WebSocket: the request comes in, then start, fragments between progress, and end."""

    def __init__(
        self, websocket: WebSocket, generations: Generations, store: ObjectStore, limit: int, links: Links
    ) -> None:
        self._websocket = websocket
        self._generations = generations
        self._store = store
        self._limit = limit
        self._links = links
        self._caller = caller_of(websocket.scope)
        self._told = ""
        self._stream_id = ""

    async def hold(self) -> None:
        """Raises EngineError, GenerationFailed and, when the client leaves, ClientDisconnect."""
        refuse_key(self._websocket)
        body = parse_json_object(await self._first_message())
        asked = self._generations.asked(body, self._caller)
        events = self._generations.stream(self._caller, asked)
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
            if isinstance(event, Begun):
                self._stream_id = event.record_id
                continue
            if not started:
                await self._send_start(asked)
                started = True
            await self._send(event, asked)

    async def _send_start(self, asked: Asked) -> None:
        """Only once something has come of the request: what is refused has an error alone."""
        told = {
            "job_id": self._stream_id,
            "content_type": MEDIA_TYPE,
            **stream_addresses(self._stream_id, self._links, self._caller),
        }
        await self._websocket.send_json({"type": "start", **told, "warnings": asked.warnings})

    async def _send(self, event: Fragment | Progress | Made, asked: Asked) -> None:
        match event:
            case Fragment(data):
                await self._websocket.send_bytes(data)
            case Progress(stage, share):
                await self._send_progress(stage, share)
            case Made():
                reply = reply_of(event, self._store, asked.warnings, self._links, self._caller)
                fields = reply.model_dump(mode="json", exclude_none=True)
                await self._websocket.send_json({"type": "end", **fields})

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
