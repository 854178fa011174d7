"""Generate: a request's video as one reply."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request

from engine.errors import InvalidInput
from engine.schemas import Generate, parse_input
from engine.settings import Settings
from engine.store.protocol import ObjectStore
from shim.backends import Backend
from shim.bodies import Body, read_json_object
from shim.errors import ErrorReply
from shim.files import PREFIX, reply_of
from shim.openapi import body_of
from shim.replies import VideoReply
from shim.session_id import demand_session_id

EXAMPLE = {
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "text": "Hello! This is a test of the MuseTalk system.",
    "voice_id": "JBFqnCBsd6RMkjVDRZzb",
    "model_id": "eleven_multilingual_v2",
}
GENERATE_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "Session not ready"},
    404: {"model": ErrorReply, "description": "Session not found"},
    409: {"model": ErrorReply, "description": "The `idempotency_key` came with another request before"},
    413: {"model": ErrorReply, "description": "The body is too large"},
    500: {"model": ErrorReply, "description": "Generation error"},
    503: {"model": ErrorReply, "description": "All places are taken, and nothing has begun: see Retry-After"},
}

_OTHER_FIELDS_BYTES = 256 * 1024


@dataclass(frozen=True)
class Asked:
    """An accepted request, the job that it becomes, and what of it was ignored."""

    request: Generate
    job_id: str
    warnings: list[str]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Asked:
        """Raises InvalidInput, and SessionNotFound for an id that no session can have."""
        body = Body.of(fields, Generate)
        session_id = body.fields.get("session_id")
        if session_id is None and "avatar_video_path" not in body.fields:
            raise InvalidInput("`session_id` is needed: create a session, and wait until it is ready.")
        if isinstance(session_id, str):
            demand_session_id(session_id)
        request = parse_input({"action": "generate", **body.fields})
        assert isinstance(request, Generate)
        return cls(request, str(uuid.uuid4()), body.warnings)


def body_limit(settings: Settings) -> int:
    """Most bytes of a generate's body: its sound in base64, and the other fields."""
    return settings.max_audio_bytes * 4 // 3 + 4 * settings.max_text_characters + _OTHER_FIELDS_BYTES


def generate_routes(backend: Backend, store: ObjectStore, limit: int) -> APIRouter:
    """POST text-to-video."""
    router = APIRouter(prefix=PREFIX, tags=["Video generation"])

    @router.post(
        "/text-to-video",
        summary="Generate avatar video with synchronized audio from text.",
        response_model_exclude_none=True,
        openapi_extra=body_of(Generate, required=True, example=EXAMPLE),
        responses=GENERATE_ERRORS,
    )
    async def text_to_video(request: Request) -> VideoReply:
        asked = Asked.of(await read_json_object(request, limit))
        made = await backend.generate(asked.request, asked.job_id)
        return reply_of(made, store, asked.warnings)

    return router
