"""What the API answers. The contract's fields are always there and never null; the others stand beside them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from engine.schemas import Generated

_EXAMPLE: JsonDict = {
    "video_url": "/api/v1/generate/video/output_12345.mp4",
    "audio_url": "/api/v1/generate/audio/audio_12345.mp3",
    "duration": 5.2,
    "captions_url": "/api/v1/generate/captions/captions_12345.vtt",
    "subtitles_url": "/api/v1/generate/captions/captions_12345.srt",
    "thumbnail_url": "/api/v1/generate/thumbnail/thumbnail_12345.jpg",
    "job_id": "12345",
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "frames": 130,
    "video_key": "outputs/550e8400-e29b-41d4-a716-446655440000/12345-1f2e3d4c/video.mp4",
    "audio_key": "outputs/550e8400-e29b-41d4-a716-446655440000/12345-1f2e3d4c/audio.mp3",
    "captions_key": "outputs/550e8400-e29b-41d4-a716-446655440000/12345-1f2e3d4c/captions.vtt",
    "thumbnail_key": "outputs/550e8400-e29b-41d4-a716-446655440000/12345-1f2e3d4c/thumbnail.jpg",
    "words": [{"text": "Hello!", "start": 0.0, "end": 0.41}],
    "renderer": "musetalk",
    "voice_used": "elevenlabs:JBFqnCBsd6RMkjVDRZzb (eleven_multilingual_v2)",
    "tts_characters": 45,
    "timings": {"speech": 0.62, "drawing": 1.87},
    "gpu_seconds": 1.9,
    "warnings": [],
}


class SessionCreated(BaseModel):
    """The answer to every accepted creation; the session's status says how the preparation goes on."""

    session_id: str = Field(examples=["550e8400-e29b-41d4-a716-446655440000"])
    status: Literal["preparing"] = "preparing"
    message: str = Field(examples=["Session created. Avatar preparation started."])
    warnings: list[str] = Field(default_factory=list, description="Fields of the request that were ignored.")


class VideoReply(Generated):
    """A finished video. Addresses are paths of this server."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    job_id: str = Field(description="The job's record, which the file names carry.")
    video_url: str = Field(examples=["/api/v1/generate/video/output_12345.mp4"])
    audio_url: str | None = Field(
        None,
        description="Always there but for an `idle` loop, which is silent.",
        examples=["/api/v1/generate/audio/audio_12345.mp3"],
    )
    captions_url: str = Field(description="WebVTT.")
    subtitles_url: str = Field(description="SubRip.")
    thumbnail_url: str = Field(description="JPEG.")
    download_url: str | None = Field(None, description="The video in the bucket, where there is one.")
