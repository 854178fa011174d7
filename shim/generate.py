"""Generate: a request's video as one reply."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from fastapi import APIRouter, Request
from pydantic import TypeAdapter

from engine.errors import InvalidInput
from engine.jobs import JobName
from engine.schemas import Generate, parse_input
from engine.settings import Settings
from engine.store.protocol import ObjectStore
from shim.backends import Backend, Made
from shim.bodies import Body, read_json_object
from shim.callers import caller_of
from shim.errors import ErrorReply
from shim.files import PREFIX, reply_of
from shim.keyed_requests import HEADER, KEY_ERRORS, KEY_PARAMETER, KeyedRequests, RequestKey
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

_MADE = TypeAdapter(Made)
_OTHER_FIELDS_BYTES = 256 * 1024


@dataclass(frozen=True)
class Asked:
    """An accepted request, the job that it becomes, and what of it was ignored."""

    request: Generate
    job_id: str
    warnings: list[str]

    @classmethod
    def of(cls, fields: Mapping[str, Any], owner: str | None) -> Asked:
        """``owner``: whose the video will be.

        Raises InvalidInput, and SessionNotFound for an id that no session can have.
        """
        body = Body.of(fields, Generate)
        session_id = body.fields.get("session_id")
        if session_id is None and "avatar_video_path" not in body.fields:
            raise InvalidInput("`session_id` is needed: create a session, and wait until it is ready.")
        if isinstance(session_id, str):
            demand_session_id(session_id)
        request = parse_input({"action": "generate", **body.fields, "owner": owner})
        assert isinstance(request, Generate)
        return cls(request, str(uuid.uuid4()), body.warnings)

    def named(self, subject: str) -> Self:
        """The same, of a job that is always the same one for this name. Raises InvalidInput."""
        if self.request.idempotency_key is not None:
            raise InvalidInput(f"Send either the header `{HEADER}` or the field `idempotency_key`.")
        request = self.request.model_copy(update={"idempotency_key": subject})
        return replace(
            self, request=request, job_id=JobName.of_idempotency_key(subject, subject, request.owner).record_id
        )


def body_limit(settings: Settings) -> int:
    """Most bytes of a generate's body: its sound in base64, and the other fields."""
    return settings.max_audio_bytes * 4 // 3 + 4 * settings.max_text_characters + _OTHER_FIELDS_BYTES


def generate_routes(backend: Backend, store: ObjectStore, limit: int, keyed: KeyedRequests) -> APIRouter:
    """POST text-to-video."""
    router = APIRouter(prefix=PREFIX, tags=["Video generation"])

    @router.post(
        "/text-to-video",
        summary="Generate avatar video with synchronized audio from text.",
        response_model_exclude_none=True,
        openapi_extra={**body_of(Generate, required=True, example=EXAMPLE), **KEY_PARAMETER},
        responses={**GENERATE_ERRORS, **KEY_ERRORS},
    )
    async def text_to_video(request: Request) -> VideoReply:
        body = await read_json_object(request, limit)
        asked = Asked.of(body, caller_of(request.scope).owner)
        key = RequestKey.of(request, body)
        made = await (make(asked) if key is None else keyed.once(key, _MADE, lambda name: make(asked.named(name))))
        return reply_of(made, store, asked.warnings)

    async def make(asked: Asked) -> Made:
        return await backend.generate(asked.request, asked.job_id)

    return router
