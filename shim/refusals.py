"""Errors that only HTTP knows, beside the tree of engine/errors.py:

- UnknownPath             404 not_found
- MethodNotAllowed        405 method_not_allowed
- OutputNotFound          404 output_not_found
- StreamNotFound          404 stream_not_found
- JobNotFound             404 job_not_found
- StoredAvatarNotFound    404 avatar_not_found
- Forbidden               403 forbidden
- OriginNotAllowed        403 origin_not_allowed
- TokenSpent              403 token_spent
- ConsentRequired         403 consent_required
- RequestInProgress       409 request_in_progress
- UploadIncomplete        409 upload_incomplete
- BodyTooLarge            413 body_too_large
- UploadTooLarge          413 avatar_too_large
- RangeNotSatisfiable     416 range_not_satisfiable
- KeyReused               422 idempotency_key_reused
- RateLimited             429 rate_limited
- TooManyGenerations      429 too_many_generations
- BudgetExceeded          429 budget_exceeded
- StreamNotBegun          503 stream_not_begun
- GenerationStopped       503 generation_stopped
- VoicesUnavailable       503 voices_unavailable
"""

from __future__ import annotations

from engine.errors import EngineError
from engine.outages import Outage, Overloaded


class UnknownPath(EngineError):
    """No such path."""

    code = "not_found"
    http_status = 404


class MethodNotAllowed(EngineError):
    """The path is there, and not for this method."""

    code = "method_not_allowed"
    http_status = 405


class OutputNotFound(EngineError):
    """No finished job has an output of that name."""

    code = "output_not_found"
    http_status = 404


class StreamNotFound(EngineError):
    """No job has a stream of that id."""

    code = "stream_not_found"
    http_status = 404


class StreamNotBegun(Overloaded):
    """The stream's job is at work, and nothing of its video is there yet."""

    code = "stream_not_begun"


class RequestInProgress(Overloaded):
    """The request with this `Idempotency-Key` came before and is still being worked on."""

    code = "request_in_progress"
    http_status = 409


class KeyReused(EngineError):
    """The `Idempotency-Key` came with another body before."""

    code = "idempotency_key_reused"
    http_status = 422


class BodyTooLarge(EngineError):
    """The request's body has more bytes than the path takes."""

    code = "body_too_large"
    http_status = 413


class UploadTooLarge(EngineError):
    """The uploaded avatar has more bytes than the limit."""

    code = "avatar_too_large"
    http_status = 413


class RangeNotSatisfiable(EngineError):
    """No byte of the file is in the range that was asked for. ``size``: the file's bytes."""

    code = "range_not_satisfiable"
    http_status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size:,} bytes, and none of them is in that range.")
        self.size = size


class JobNotFound(EngineError):
    """No job has that id."""

    code = "job_not_found"
    http_status = 404


class StoredAvatarNotFound(EngineError):
    """No uploaded avatar has that id."""

    code = "avatar_not_found"
    http_status = 404


class Forbidden(EngineError):
    """The caller is known and may not do this."""

    code = "forbidden"
    http_status = 403


class OriginNotAllowed(EngineError):
    """The page that asks comes from an origin which the server or the token doesn't allow."""

    code = "origin_not_allowed"
    http_status = 403


class TokenSpent(EngineError):
    """The token has no generations left."""

    code = "token_spent"
    http_status = 403


class ConsentRequired(EngineError):
    """The operator asks for the consent of whoever the avatar shows, and the request doesn't state it."""

    code = "consent_required"
    http_status = 403


class UploadIncomplete(EngineError):
    """The avatar's file has not come yet, or is not the one that was announced."""

    code = "upload_incomplete"
    http_status = 409


class RateLimited(Overloaded):
    """Too many requests came in too short a time."""

    code = "rate_limited"
    http_status = 429


class TooManyGenerations(Overloaded):
    """As many videos as may be made at once are being made for the session or the key."""

    code = "too_many_generations"
    http_status = 429


class BudgetExceeded(Overloaded):
    """The key has used up what the operator allows it a day."""

    code = "budget_exceeded"
    http_status = 429


class GenerationStopped(Outage):
    """The operator has stopped all generations for the moment."""

    code = "generation_stopped"


class VoicesUnavailable(Outage):
    """The list of voices and models can't be had for the moment."""

    code = "voices_unavailable"
