"""Sends a file of the store, whole or in part, in pieces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.errors import EngineError
from engine.store.protocol import ObjectInfo, ObjectStore
from shim.ranges import ByteRange, Validators, requested_range
from shim.request_id import StreamBroken

PIECE_BYTES = 1 << 20

CHECKED = "private, no-cache"
"""Kept by clients that ask every time whether it still is the file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedFile:
    """A file to send. ``read`` gives bytes [start, start + length), None when the file has gone; it may block.

    ``caching``: how long clients may keep it.
    """

    name: str
    content_type: str
    size: int
    validators: Validators
    read: Callable[[int, int], bytes | None]
    caching: str = CHECKED

    @classmethod
    def stored(cls, store: ObjectStore, info: ObjectInfo, name: str, content_type: str) -> ServedFile:
        validators = Validators(info.etag, info.modified)
        return cls(name, content_type, info.size, validators, lambda start, n: store.get_range(info.key, start, n))

    @classmethod
    def of_bytes(
        cls, body: bytes, validators: Validators, name: str, content_type: str, caching: str = CHECKED
    ) -> ServedFile:
        return cls(name, content_type, len(body), validators, lambda start, n: body[start : start + n], caching)


def add_file(
    router: APIRouter, path: str, answer: Callable[..., Any], *, name: str, summary: str, content_type: str
) -> None:
    """GET and HEAD of a path; ``answer`` is a route's function, and answers by ``respond``."""
    file = {"content": {content_type: {"schema": {"type": "string", "format": "binary"}}}}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file.", **file},
        206: {"description": "The part of it that Range asks for.", **file},
        304: {"description": "The client has this version."},
    }
    router.add_api_route(
        path, answer, summary=summary, name=f"get_{name}", response_class=Response, responses=responses
    )
    router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False, name=f"head_{name}")


def respond(request: Request, file: ServedFile) -> Response:
    """The answer to a GET or HEAD. Raises RangeNotSatisfiable."""
    headers = _headers(request, file)
    if file.validators.is_current(request.headers):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(file.size)}, media_type=file.content_type)
    asked = request.headers.get("range") if file.validators.permits_range(request.headers) else None
    part = requested_range(asked, file.size)
    if part is None:
        return _body(file, ByteRange(0, file.size), 200, headers)
    return _body(file, part, 206, {**headers, "Content-Range": part.content_range(file.size)})


def _headers(request: Request, file: ServedFile) -> dict[str, str]:
    kind = "attachment" if request.query_params.get("download") == "1" else "inline"
    return {
        "Accept-Ranges": "bytes",
        "ETag": file.validators.tag,
        "Last-Modified": file.validators.last_modified,
        "Cache-Control": file.caching,
        "Content-Disposition": f'{kind}; filename="{file.name}"',
        "X-Content-Type-Options": "nosniff",
    }


def _body(file: ServedFile, part: ByteRange, status: int, headers: dict[str, str]) -> Response:
    headers = {**headers, "Content-Length": str(part.length)}
    return StreamingResponse(_pieces(file, part), status, headers, media_type=file.content_type)


async def _pieces(file: ServedFile, part: ByteRange) -> AsyncIterator[bytes]:
    start = part.start
    while start < part.end:
        piece = await _piece(file, start, min(PIECE_BYTES, part.end - start))
        start += len(piece)
        yield piece


async def _piece(file: ServedFile, start: int, length: int) -> bytes:
    """Raises StreamBroken when the file has gone meanwhile: the client sees the connection end too early."""
    try:
        piece = await asyncio.to_thread(file.read, start, length)
    except EngineError as error:
        log.warning("%s could not be sent to its end: %s", file.name, error.message)
        raise StreamBroken from error
    if not piece:
        log.info("%s was removed while it was sent.", file.name)
        raise StreamBroken
    return piece
