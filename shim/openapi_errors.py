"""Which errors each operation answers with: the one place that the description has them from.

An operation's statuses, their descriptions and an example of each error are made of the exceptions that are listed for
it here, and of those that can meet any request. Whatever a route says of errors itself is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from engine import errors as engine
from engine import outages
from engine.errors import EngineError
from shim import refusals as shim
from shim.errors import told_status

_EXAMPLE_ID = "0f4d2a6e8c1b4f7f9d3e5a7b9c1d3e5f"

Errors = tuple[type[EngineError], ...]

EVERYWHERE: Errors = (engine.InternalError, shim.OriginNotAllowed)
INSIDE: Errors = (outages.StorageUnavailable,)
"""Of paths that are not open to everybody."""
GUARDED: Errors = (engine.Unauthorized, outages.TokenKeysUnavailable, shim.Forbidden)
"""Of the same where keys are needed."""

_BODY: Errors = (engine.InvalidInput, shim.BodyTooLarge)
_KEYED: Errors = (shim.RequestInProgress, shim.KeyReused)
_AVATAR: Errors = (
    engine.AvatarNotAllowed,
    engine.AvatarNotFound,
    engine.AvatarBlocked,
    engine.UrlNotAllowed,
    outages.UrlUnavailable,
    shim.ConsentRequired,
)
_GENERATE: Errors = (
    *_BODY,
    *_KEYED,
    *_AVATAR,
    engine.InvalidText,
    engine.TextTooLong,
    engine.AudioUnreadable,
    engine.AudioTooLong,
    engine.SessionNotReady,
    engine.SessionFailed,
    engine.VoiceNotAvailable,
    engine.SessionNotFound,
    engine.IdempotencyConflict,
    engine.SpeechNotConfigured,
    outages.Overloaded,
    outages.QueueUnavailable,
    engine.StillRunning,
    shim.TokenSpent,
    shim.TooManyGenerations,
    shim.BudgetExceeded,
    shim.GenerationStopped,
)
_FILE: Errors = (engine.InvalidInput, shim.OutputNotFound, shim.RangeNotSatisfiable)
_STREAM: Errors = (shim.StreamNotFound, shim.StreamNotBegun, engine.StillRunning)
_UPLOAD: Errors = (
    *_BODY,
    engine.MediaUnreadable,
    engine.AvatarBlocked,
    outages.Overloaded,
    outages.StorageFull,
    shim.UploadTooLarge,
    shim.ConsentRequired,
)

ERRORS: dict[str, Errors] = {
    "health": (),
    "health_v1": (),
    "create_session": (
        *_BODY,
        *_KEYED,
        *_AVATAR,
        engine.Conflict,
        outages.Overloaded,
        outages.QueueUnavailable,
        shim.RateLimited,
    ),
    "get_session_status": (engine.SessionNotFound, shim.RateLimited),
    "delete_session": (engine.SessionNotFound,),
    "list_sessions": (engine.InvalidInput,),
    "get_session_thumbnail": (engine.SessionNotFound, shim.OutputNotFound, shim.RangeNotSatisfiable),
    "upload_avatar": _UPLOAD,
    "put_avatar_content": (*_UPLOAD, shim.StoredAvatarNotFound),
    "complete_avatar": (*_UPLOAD, shim.StoredAvatarNotFound, shim.UploadIncomplete),
    "list_avatars": (engine.InvalidInput,),
    "get_avatar": (shim.StoredAvatarNotFound,),
    "delete_avatar": (shim.StoredAvatarNotFound,),
    "get_avatar_thumbnail": (shim.StoredAvatarNotFound, shim.OutputNotFound, shim.RangeNotSatisfiable),
    "text_to_video": _GENERATE,
    "text_to_video_stream": _GENERATE,
    "get_stream": _STREAM,
    "get_playlist": _STREAM,
    "get_stream_init": (shim.StreamNotFound, shim.RangeNotSatisfiable),
    "get_stream_segment": (shim.StreamNotFound, shim.RangeNotSatisfiable),
    "get_video": _FILE,
    "get_audio": _FILE,
    "get_captions": _FILE,
    "get_thumbnail": _FILE,
    "list_voices": (engine.SpeechNotConfigured, engine.TtsMisconfigured, shim.VoicesUnavailable),
    "list_models": (engine.SpeechNotConfigured, engine.TtsMisconfigured, shim.VoicesUnavailable),
    "usage": (engine.InvalidInput, shim.Forbidden),
    "create_token": (*_BODY, shim.Forbidden, engine.SessionNotFound, shim.StoredAvatarNotFound),
    "get_job": (shim.JobNotFound,),
    "cancel_job": (shim.JobNotFound, outages.QueueUnavailable),
    "get_secret": (shim.Forbidden,),
    "get_limits": (),
}
"""By operation."""

BEGUN: dict[str, Errors] = dict.fromkeys(
    ("text_to_video", "text_to_video_stream", "get_stream", "get_playlist"),
    (outages.TtsBroken, engine.AudioSilent, outages.DeviceMemoryFull, outages.Interrupted),
)
"""What ends work that had begun: 500, with the code of what went wrong."""


def error_responses(operation_id: str, *, is_open: bool, is_guarded: bool) -> dict[str, Any]:
    """The operation's responses for errors, by status."""
    errors = [*ERRORS.get(operation_id, ()), *EVERYWHERE]
    if not is_open:
        errors += [*INSIDE, *(GUARDED if is_guarded else ())]
    by_status: dict[int, dict[str, type[EngineError]]] = defaultdict(dict)
    for error in errors:
        by_status[told_status(error)].setdefault(error.code, error)
    for error in BEGUN.get(operation_id, ()):
        by_status[500].setdefault(error.code, error)
    return {str(status): _response(by_status[status].values()) for status in sorted(by_status)}


def meaning_of(error: type[EngineError]) -> str:
    """The first sentence of what is said of the error where it is defined."""
    return " ".join((error.__doc__ or "").split()).partition(". ")[0].rstrip(".").replace("``", "`") + "."


def _response(errors: Iterable[type[EngineError]]) -> dict[str, Any]:
    listed = list(errors)
    content = {
        "schema": {"$ref": "#/components/schemas/ErrorReply"},
        "examples": {error.code: {"summary": meaning_of(error), "value": _example(error)} for error in listed},
    }
    described = "\n".join(f"- `{error.code}`: {meaning_of(error)}" for error in listed)
    response: dict[str, Any] = {"description": described, "content": {"application/json": content}}
    if any(issubclass(error, outages.Outage) for error in listed):
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before the same request may succeed.",
                "schema": {"type": "integer", "minimum": 0},
                "example": 5,
            }
        }
    return response


def _example(error: type[EngineError]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "error": error.code,
        "detail": meaning_of(error),
        "retryable": error.retryable,
        "request_id": _EXAMPLE_ID,
    }
    return {**told, "job_id": "12345"} if error is engine.StillRunning else told
