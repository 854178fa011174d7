"""What the API answers of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

from shim.jobs.record import Attempt, ToldError
from shim.replies import VideoReply

JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]

_EXAMPLE: JsonDict = {
    "job_id": "key-2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "status": "running",
    "stage": "drawing",
    "progress": 0.42,
    "eta_seconds": 7.5,
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "created_at": "2026-08-20T12:00:00Z",
    "stream_url": "/api/v1/generate/stream/key-2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "hls_url": "/api/v1/generate/stream/key-2fd4e1c67a2d28fced849ee1bb76e7391b93eb12/index.m3u8",
    "metadata": {"order": 7},
    "webhook": {"state": "waiting", "attempts": []},
}


class WebhookReply(BaseModel):
    """How the job's end is told to its `webhook_url`."""

    state: Literal["waiting", "delivered", "given_up"] = Field(
        description="`waiting`: for the job's end, or for the next attempt."
    )
    attempts: list[Attempt] = Field(description="The oldest first.")
    next_at: AwareDatetime | None = Field(None, description="When the next attempt is due.")


class JobReply(BaseModel):
    """How a job is. Fields of which nothing is known are not there."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    job_id: str = Field(description="Also names the job's files and stream.")
    status: JobStatus
    stage: str | None = Field(None, description="What is being done, of a running job.")
    progress: float = Field(description="From 0 to 1.", ge=0, le=1)
    eta_seconds: float | None = Field(None, description="Until the video is finished, as far as can be told.", ge=0)
    queue_position: int | None = Field(
        None, description="Which in the server's line the job is, from 1. Not known of an endpoint's queue.", ge=1
    )
    session_id: str
    created_at: datetime
    stream_url: str | None = Field(None, description="Where the video is followed while it is made, as one file.")
    hls_url: str | None = Field(None, description="The same as an HLS playlist.")
    result: VideoReply | None = Field(None, description="The finished video, with fresh addresses.")
    error: ToldError | None = Field(None, description="Why there is no video.")
    metadata: JsonValue = Field(None, description="The caller's own, as it came.")
    warnings: list[str] | None = Field(None, description="Fields of the request that were ignored.")
    webhook: WebhookReply | None = Field(None, description="Where the request had a `webhook_url`.")
