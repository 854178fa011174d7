"""What the service takes, for clients that want to know it before they send it."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from engine.schemas import LEAST_HEIGHT, METADATA_BYTES, MOST_HEIGHT
from engine.store.protocol import COPY_BYTES
from engine.video.quality import Quality
from shim.limits.settings import rate_of
from shim.settings import ShimSettings

AVATARS = ("mp4", "mov", "webm", "mkv", "avi", "gif", "jpeg", "png", "webp", "bmp", "tiff")
SOUNDS = ("wav", "mp3", "m4a", "aac", "ogg", "opus", "flac", "webm")

_EXAMPLE: JsonDict = {
    "avatar": {
        "bytes": 500_000_000,
        "announced_bytes": 500_000_000,
        "seconds": 300,
        "pixels": 8_294_400,
        "formats": ["mp4", "mov", "webm", "jpeg", "png"],
        "needs_consent": False,
    },
    "text": {"characters": 5_000},
    "audio": {"bytes": 50_000_000, "seconds": 900, "formats": ["wav", "mp3"]},
    "metadata": {"bytes": 1_024},
    "video": {"least_height": 128, "most_height": 2_160, "qualities": ["draft", "standard", "high"]},
    "rates": {
        "create": {"requests": 10, "seconds": 60},
        "status": {"requests": 100, "seconds": 60},
        "session_generations": 5,
    },
}


class AvatarLimits(BaseModel):
    """Of one avatar."""

    bytes: int
    announced_bytes: int = Field(description="The same of a file that is announced and sent to its own address.")
    seconds: float
    pixels: int = Field(description="Of one frame.")
    formats: tuple[str, ...] = AVATARS
    needs_consent: bool = Field(description="Whether uploads and avatars from URLs need `consent: true`.")


class TextLimits(BaseModel):
    """Of one text."""

    characters: int


class AudioLimits(BaseModel):
    """Of one recording."""

    bytes: int
    seconds: float
    formats: tuple[str, ...] = SOUNDS


class MetadataLimits(BaseModel):
    """Of the caller's own JSON."""

    bytes: int = METADATA_BYTES


class VideoLimits(BaseModel):
    """What may be asked of a video."""

    least_height: int = LEAST_HEIGHT
    most_height: int = MOST_HEIGHT
    qualities: tuple[str, ...] = get_args(Quality)


class Rate(BaseModel):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


class Rates(BaseModel):
    """How often, and how much at once; what is left out has no limit."""

    create: Rate | None = Field(None, description="Sessions created by a caller.")
    status: Rate | None = Field(None, description="A caller's requests for one session's status.")
    session_generations: int | None = Field(None, description="Videos made at once for one session.")


class LimitsReply(BaseModel):
    """What the service takes."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    avatar: AvatarLimits
    text: TextLimits
    audio: AudioLimits
    metadata: MetadataLimits = MetadataLimits()
    video: VideoLimits = VideoLimits()
    rates: Rates

    @classmethod
    def of(cls, settings: ShimSettings) -> LimitsReply:
        """What the settings say."""
        return cls(
            avatar=AvatarLimits(
                bytes=settings.max_avatar_bytes,
                announced_bytes=min(settings.max_avatar_bytes, COPY_BYTES),
                seconds=settings.max_avatar_seconds,
                pixels=settings.max_avatar_pixels,
                needs_consent=settings.require_consent,
            ),
            text=TextLimits(characters=settings.max_text_characters),
            audio=AudioLimits(bytes=settings.max_audio_bytes, seconds=settings.max_audio_seconds),
            rates=Rates(
                create=_told(settings.create_rate),
                status=_told(settings.status_rate),
                session_generations=settings.session_generations,
            ),
        )


def limits_routes(settings: ShimSettings) -> APIRouter:
    """GET /api/v1/limits."""
    router = APIRouter(prefix="/api/v1", tags=["Health"])
    reply = LimitsReply.of(settings)

    @router.get("/limits", summary="What the service takes, and how often.", response_model_exclude_none=True)
    async def get_limits() -> LimitsReply:
        return reply

    return router


def _told(value: str) -> Rate | None:
    rate = rate_of(value)
    return None if rate is None else Rate(requests=rate.amount, seconds=rate.get_expiry())
