"""What the API says of avatars."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from engine.schemas import AvatarInfo

_ID = "6f1d7c4e-2b0a-4f57-9a3d-8c5e1b7f2a90"
_EXAMPLE: JsonDict = {
    "avatar_id": _ID,
    "bytes": 4_182_311,
    "uploaded_at": "2026-08-02T09:30:00Z",
    "expires_at": "2026-08-03T09:30:00Z",
    "status": "ready",
    "consent": True,
    "avatar": {
        "width": 1280,
        "height": 720,
        "seconds": 12.4,
        "face_width": 212,
        "face_height": 230,
        "face_box": {"left": 534, "top": 120, "width": 212, "height": 230},
        "warnings": [],
    },
    "thumbnail_url": f"/api/v1/avatars/{_ID}/thumbnail",
}
_ADDRESS_EXAMPLE: JsonDict = {
    "avatar_id": _ID,
    "upload_url": f"/api/v1/avatars/{_ID}/content",
    "upload_method": "PUT",
    "upload_headers": {"Content-Type": "video/mp4"},
    "expires_at": "2026-08-02T10:30:00Z",
}


class AvatarReply(BaseModel):
    """An uploaded avatar; its id is an `avatar_video_path`."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    avatar_id: str
    bytes: int
    uploaded_at: datetime
    expires_at: datetime | None = Field(None, description="When the upload goes. Sessions that were made of it stay.")
    status: Literal["uploaded", "ready"] = Field(description="`ready` once a session has been prepared of it.")
    consent: bool = Field(description="Whether consent was stated with it.")
    avatar: AvatarInfo | None = Field(None, description="What is known of it once it is `ready`.")
    thumbnail_url: str | None = Field(
        None, description="JPEG of the first frame that shows a face, once it is `ready`."
    )


class AvatarPage(BaseModel):
    """Some of the caller's avatars, newest first. ``next_cursor``: leads to older ones, where there are any."""

    avatars: list[AvatarReply]
    next_cursor: str | None = None


class UploadAddress(BaseModel):
    """Where an announced file goes: one request of ``upload_method`` to ``upload_url``, with exactly these headers."""

    model_config = ConfigDict(json_schema_extra={"example": _ADDRESS_EXAMPLE})

    avatar_id: str
    upload_url: str = Field(description="An address of the bucket, or a path of this server.")
    upload_method: Literal["PUT"] = "PUT"
    upload_headers: dict[str, str]
    expires_at: datetime = Field(description="Until when the address takes the file.")


class AvatarDeleted(BaseModel):
    """An avatar is gone."""

    message: str = "Avatar deleted successfully"
