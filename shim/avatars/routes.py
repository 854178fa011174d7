"""The paths of avatars."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from engine.avatar.uploads import incoming_key, upload_key
from engine.records import AvatarRecord
from shim.avatars.announced import AnnouncedUploads, Announcement
from shim.avatars.consent import FIELD, PROPERTY, stated_by
from shim.avatars.replies import AvatarDeleted, AvatarPage, AvatarReply, UploadAddress
from shim.avatars.stored import StoredAvatars
from shim.bodies import SMALL_BODY_BYTES, announced_bytes, read_json_object
from shim.callers import caller_of
from shim.limits.rates import counted_as
from shim.multipart import FilePart, boundary_of, file_pieces
from shim.pages import CURSOR, LIMIT, PageAsked
from shim.refusals import UploadTooLarge
from shim.serving import add_file, respond
from shim.uploads import Uploads

_FORM_BYTES = 64 * 1024
"""What the form may take around the file."""

_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "A video or a picture of a face."},
        FIELD: PROPERTY,
    },
}
_ANNOUNCEMENT = Announcement.model_json_schema()
_ANNOUNCEMENT["properties"][FIELD] = PROPERTY
_BODIES = {
    "multipart/form-data": {"schema": _FORM},
    "application/json": {
        "schema": _ANNOUNCEMENT,
        "example": {"bytes": 48_000_000, "content_type": "video/mp4", "consent": True},
    },
}
_UPLOAD = {"requestBody": {"required": True, "content": _BODIES}}
_CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}


def avatar_routes(avatars: StoredAvatars, announced: AnnouncedUploads, uploads: Uploads) -> APIRouter:
    """Everything below /api/v1/avatars."""
    router = APIRouter(prefix="/api/v1/avatars", tags=["Avatars"])
    _add_uploading(router, avatars, announced, uploads)
    _add_large_uploading(router, avatars, announced, uploads)
    _add_looking(router, avatars)
    _add_deleting(router, avatars, announced)
    return router


def _add_uploading(router: APIRouter, avatars: StoredAvatars, announced: AnnouncedUploads, uploads: Uploads) -> None:
    @router.post(
        "",
        summary="Upload an avatar; `avatar_video_path` takes the id that comes back.",
        description="As a form with the file, or, for a large file, as JSON that announces it: the answer says where "
        "the file goes, and `POST .../complete` then makes an avatar of it.",
        response_model_exclude_none=True,
        openapi_extra=_UPLOAD,
    )
    async def upload_avatar(request: Request) -> AvatarReply | UploadAddress:
        caller = caller_of(request.scope)
        if _is_json(request):
            body = await read_json_object(request, SMALL_BODY_BYTES)
            return await asyncio.to_thread(announced.announce, body, caller)
        record = await _upload(request, avatars, announced, uploads)
        return avatars.reply(record, caller)


def _add_large_uploading(
    router: APIRouter, avatars: StoredAvatars, announced: AnnouncedUploads, uploads: Uploads
) -> None:
    @router.put(
        "/{avatar_id}/content",
        summary="Send an announced file, where its `upload_url` is a path of this server.",
        status_code=204,
        openapi_extra=_CONTENT,
    )
    async def put_avatar_content(request: Request, avatar_id: str) -> None:
        caller = caller_of(request.scope)
        expected = await asyncio.to_thread(announced.expected, avatar_id, caller)
        _demand_announced(request, expected.bytes)
        pieces = _within(request.stream(), expected.bytes)
        await uploads.store(incoming_key(avatar_id), pieces, counted_as(caller))

    @router.post(
        "/{avatar_id}/complete",
        summary="Make an avatar of an announced file that has arrived.",
        response_model_exclude_none=True,
    )
    async def complete_avatar(request: Request, avatar_id: str) -> AvatarReply:
        caller = caller_of(request.scope)
        return avatars.reply(await asyncio.to_thread(announced.complete, avatar_id, caller), caller)


def _add_looking(router: APIRouter, avatars: StoredAvatars) -> None:
    @router.get("", summary="List the avatars, newest first.", response_model_exclude_none=True)
    async def list_avatars(request: Request, limit: int = LIMIT, cursor: str | None = CURSOR) -> AvatarPage:
        return await avatars.page(PageAsked.of(limit, cursor), caller_of(request.scope))

    @router.get(
        "/{avatar_id}",
        summary="Get what is known of an avatar.",
        response_model_exclude_none=True,
    )
    async def get_avatar(request: Request, avatar_id: str) -> AvatarReply:
        caller = caller_of(request.scope)
        return avatars.reply(await asyncio.to_thread(avatars.get, avatar_id, caller), caller)

    async def thumbnail(request: Request, avatar_id: str) -> Response:
        caller = caller_of(request.scope)
        return respond(request, await asyncio.to_thread(avatars.thumbnail, avatar_id, caller))

    add_file(
        router,
        "/{avatar_id}/thumbnail",
        thumbnail,
        name="avatar_thumbnail",
        summary="Serve the avatar's first frame with a face.",
        content_type="image/jpeg",
    )


def _add_deleting(router: APIRouter, avatars: StoredAvatars, announced: AnnouncedUploads) -> None:
    @router.delete(
        "/{avatar_id}",
        summary="Delete an avatar, and what was prepared of it unless a session uses that.",
        description="Sessions that are ready go on speaking. One that is still being prepared goes on where its file "
        "was read already, and else ends with `avatar_not_found`.",
    )
    async def delete_avatar(request: Request, avatar_id: str) -> AvatarDeleted:
        caller = caller_of(request.scope)
        if not await asyncio.to_thread(announced.withdraw, avatar_id, caller):
            await asyncio.to_thread(avatars.delete, avatar_id, caller)
        return AvatarDeleted()


async def _upload(
    request: Request, avatars: StoredAvatars, announced: AnnouncedUploads, uploads: Uploads
) -> AvatarRecord:
    """The avatar that the form holds. Without the consent that is needed, nothing of it stays."""
    most = announced.max_bytes + _FORM_BYTES
    _demand_announced(request, most)
    part = FilePart(boundary_of(request), "file", (FIELD,))

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in file_pieces(_within(request.stream(), most), part):
            yield piece
        announced.consent.demand(stated_by(part.texts.get(FIELD, "")))

    caller, avatar_id = caller_of(request.scope), str(uuid.uuid4())
    stored = await uploads.store(upload_key(caller.owner, avatar_id), pieces(), counted_as(caller))
    consented = avatars.now() if stated_by(part.texts.get(FIELD, "")) else None
    return await asyncio.to_thread(avatars.add, avatar_id, caller.owner, stored.size, consented)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _demand_announced(request: Request, most: int) -> None:
    """Raises UploadTooLarge for a body that says that it is larger."""
    if announced_bytes(request) > most:
        raise UploadTooLarge(f"The file is larger than the {most:,} bytes that are taken here.")


async def _within(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > most:
            raise UploadTooLarge(f"The file is larger than the {most:,} bytes that are taken here.")
        yield piece
