"""The gate within the outermost door: no request gets past it without a caller."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.errors import EngineError
from shim.auth.admission import Admission
from shim.callers import ANYBODY, set_caller
from shim.errors import failure_of, log_failure
from shim.request_id import request_id_of

OPEN_PATHS = frozenset({"/", "/health", "/api/v1/health", "/ping", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/docs/assets/",)
"""What everybody may read: nothing there is anybody's."""


class Gate:
    """Wraps the app. Of a request that is refused nothing is read but its head."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                set_caller(scope, ANYBODY if is_open(scope) else await self._admission.caller(scope))
            except EngineError as error:
                await _refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_open(scope: Scope) -> bool:
    """Whether the request needs no key. OPTIONS is what browsers ask before they send one."""
    if scope["type"] != "http":
        return False
    path: str = scope["path"]
    return scope["method"] == "OPTIONS" or is_open_path(path)


def is_open_path(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


async def _refuse(error: EngineError, scope: Scope, receive: Receive, send: Send) -> None:
    failure = failure_of(error)
    log_failure(error, failure)
    response = failure.response(request_id_of(scope))
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
