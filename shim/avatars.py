"""Uploads of avatars."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request

from engine.avatar.uploads import upload_key
from shim.callers import caller_of
from shim.errors import ErrorReply
from shim.multipart import file_pieces
from shim.refusals import UploadTooLarge
from shim.replies import AvatarUploaded
from shim.uploads import Uploads

_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "description": "A video or a picture of a face."}},
}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "No file came, or not all of it"},
    413: {"model": ErrorReply, "description": "The file is too large"},
    503: {"model": ErrorReply, "description": "Too many uploads at once: see Retry-After"},
}
_FORM_BYTES = 64 * 1024
"""What the form may take around the file."""


def avatar_routes(uploads: Uploads, max_bytes: int, expires_at: Callable[[datetime], datetime | None]) -> APIRouter:
    """POST /api/v1/avatars."""
    router = APIRouter(prefix="/api/v1/avatars", tags=["Avatars"])

    @router.post(
        "",
        summary="Upload an avatar; `avatar_video_path` takes the id that comes back.",
        response_model_exclude_none=True,
        openapi_extra=_BODY,
        responses=_ERRORS,
    )
    async def upload_avatar(request: Request) -> AvatarUploaded:
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > max_bytes + _FORM_BYTES:
            raise UploadTooLarge(f"The file is larger than the limit of {max_bytes:,} bytes.")
        avatar_id = str(uuid.uuid4())
        stored = await uploads.store(
            upload_key(caller_of(request.scope).owner, avatar_id), file_pieces(request, "file")
        )
        return AvatarUploaded(avatar_id=avatar_id, bytes=stored.size, expires_at=expires_at(stored.modified))

    return router
