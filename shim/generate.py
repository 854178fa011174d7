"""Generate: a request's video as one reply."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from engine.schemas import Generate
from engine.settings import Settings
from engine.store.protocol import ObjectStore
from shim.backends import Made
from shim.bodies import read_json_object
from shim.callers import caller_of
from shim.files import PREFIX, reply_of
from shim.generations import Generations
from shim.jobs.later import ASYNC_REPLIES, IsAsync, LaterJobs
from shim.keyed_requests import KEY_PARAMETER, KeyedRequests, RequestKey
from shim.links import Links
from shim.openapi import body_of
from shim.replies import VideoReply

EXAMPLE = {
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "text": "Hello! This is a test of the MuseTalk system.",
    "voice_id": "JBFqnCBsd6RMkjVDRZzb",
    "model_id": "eleven_multilingual_v2",
}
_MADE = TypeAdapter(Made)
_OTHER_FIELDS_BYTES = 256 * 1024


def body_limit(settings: Settings) -> int:
    """Most bytes of a generate's body: its sound in base64, and the other fields."""
    return settings.max_audio_bytes * 4 // 3 + 4 * settings.max_text_characters + _OTHER_FIELDS_BYTES


def generate_routes(
    generations: Generations, store: ObjectStore, limit: int, keyed: KeyedRequests, links: Links, later: LaterJobs
) -> APIRouter:
    """POST text-to-video."""
    router = APIRouter(prefix=PREFIX, tags=["Video generation"])

    @router.post(
        "/text-to-video",
        summary="Generate avatar video with synchronized audio from text.",
        response_model_exclude_none=True,
        openapi_extra={**body_of(Generate, required=True, example=EXAMPLE), **KEY_PARAMETER},
        response_model=VideoReply,
        responses=ASYNC_REPLIES,
    )
    async def text_to_video(request: Request, is_async: IsAsync = False) -> VideoReply | Response:
        body = await read_json_object(request, limit)
        if is_async:
            return await later.accept(request, body)
        caller = caller_of(request.scope)
        asked = generations.asked(body, caller)
        key = RequestKey.of(request, body)
        if key is None:
            made = await generations.make(caller, asked)
        else:
            made = await keyed.once(key, _MADE, lambda name: generations.make(caller, asked.named(name)))
        return reply_of(made, store, asked.warnings, links, caller)

    return router
