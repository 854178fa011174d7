"""Errors as the API tells them: always ``{"error", "detail", "retryable", "request_id"}``.

The trees are in engine/errors.py and shim/refusals.py. What went wrong after the work had begun is a GenerationFailed:
500 with its own code.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from engine.errors import (
    AvatarBlocked,
    EngineError,
    IdempotencyConflict,
    InternalError,
    InvalidInput,
    StillRunning,
    TtsMisconfigured,
    Unauthorized,
)
from engine.outages import Outage, Overloaded
from shim.refusals import MethodNotAllowed, RangeNotSatisfiable, UnknownPath
from shim.request_id import request_id_of

RETRY_AFTER_SECONDS = 5

log = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_STATUSES = {IdempotencyConflict.code: 409, TtsMisconfigured.code: 500}
"""The contract knows neither 422 nor 502: a used key conflicts, and a bad gateway is the server's."""


class ErrorReply(BaseModel):
    """What every failed request answers."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": "session_not_found",
                "detail": "There is no session `abc123`: it was deleted, or never created.",
                "retryable": False,
                "request_id": "0f4d2a6e8c1b4f7f9d3e5a7b9c1d3e5f",
            }
        }
    )

    error: str = Field(description="A stable code.")
    detail: str = Field(description="A sentence that says what was wrong and what to do.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    request_id: str = Field(description="The request's X-Request-ID, as it stands in the log.")
    job_id: str | None = Field(
        None, description="With a 504 alone: the job that runs on, which its files are named by."
    )


class GenerationFailed(Exception):
    """``cause`` ended a generate whose work had begun."""

    def __init__(self, cause: EngineError) -> None:
        super().__init__(cause.message)
        self.cause = cause


@dataclass(frozen=True)
class Failure:
    """An error as a client is told it."""

    status: int
    code: str
    detail: str
    retryable: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    job_id: str | None = None

    def fields(self, request_id: str) -> dict[str, Any]:
        told = {"error": self.code, "detail": self.detail, "retryable": self.retryable, "request_id": request_id}
        return told if self.job_id is None else {**told, "job_id": self.job_id}

    def response(self, request_id: str) -> JSONResponse:
        return JSONResponse(self.fields(request_id), self.status, dict(self.headers))


def told_status(error: type[EngineError]) -> int:
    """The status of such an error's reply while nothing has begun."""
    return _STATUSES.get(error.code, error.http_status)


def failure_of(error: EngineError | GenerationFailed) -> Failure:
    """How the error is told."""
    if isinstance(error, GenerationFailed):
        # What the operator forbids is refused, whenever it is found out; it hasn't gone wrong.
        status = AvatarBlocked.http_status if isinstance(error.cause, AvatarBlocked) else 500
        return Failure(status, error.cause.code, error.cause.message, error.cause.retryable)
    job_id = error.job_id if isinstance(error, StillRunning) else None
    return Failure(told_status(type(error)), error.code, error.message, error.retryable, _headers_of(error), job_id)


def _headers_of(error: EngineError) -> dict[str, str]:
    if isinstance(error, Outage):
        wanted = error.retry_after if isinstance(error, Overloaded) else None
        return {"Retry-After": str(max(1, round(wanted or RETRY_AFTER_SECONDS)))}
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size}"}
    return {}


def unforeseen() -> Failure:
    """How a defect is told."""
    return failure_of(InternalError("Something went wrong inside the service; its log says what."))


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an EngineError or a GenerationFailed."""
    assert isinstance(error, EngineError | GenerationFailed)
    failure = failure_of(error)
    log_failure(error, failure)
    return failure.response(request_id_of(request.scope))


def log_failure(error: EngineError | GenerationFailed, failure: Failure) -> None:
    """What the service is to blame for stands in its log, and a defect with its traceback."""
    cause = error.cause if isinstance(error, GenerationFailed) else error
    if failure.status >= 500:
        log.warning("Failed: %s: %s", cause.code, cause.message, exc_info=_defect(cause))


def _defect(error: EngineError) -> EngineError | None:
    return error if isinstance(error, InternalError) else None


async def on_defect(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the door logs it."""
    return unforeseen().response(request_id_of(request.scope))


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """Answer what FastAPI finds wrong with a path, a query or a form: 400, never 422."""
    assert isinstance(error, RequestValidationError)
    told = [f"`{'.'.join(map(str, fault['loc'][1:]))}`: {fault['msg']}" for fault in error.errors()]
    return failure_of(InvalidInput("; ".join(told[:5]) + ".")).response(request_id_of(request.scope))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses."""
    assert isinstance(error, HTTPException)
    failure = _failure_of_http(request, error)
    return failure.response(request_id_of(request.scope))


def unknown_path(request: HTTPConnection) -> Failure:
    """How it is told that nothing is there."""
    return failure_of(UnknownPath(f"There is nothing at {request.url.path[:200]}. See /docs for what there is."))


def _failure_of_http(request: Request, error: HTTPException) -> Failure:
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return unknown_path(request)
    if error.status_code == 405:
        allowed = ", ".join(_allowed_methods(request))
        sentence = f"{request.method[:20]} is not possible here. Allowed: {allowed}."
        return Failure(405, MethodNotAllowed.code, sentence, False, {"Allow": allowed})
    phrase = HTTPStatus(error.status_code).phrase
    return Failure(error.status_code, phrase.lower().replace(" ", "_"), str(error.detail), False, headers)


def _allowed_methods(request: Request) -> list[str]:
    """Of all the path's routes; the router names those of the first alone. Within a mount, none of them matches."""
    routes: list[BaseRoute] = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    found = [name for name, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]
    return found or ["GET", "HEAD"]
