"""The gate within the outermost door: no request gets past it without a caller."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.errors import EngineError
from shim.auth.admission import Admission, credential_of
from shim.callers import ANYBODY, Caller, set_caller
from shim.errors import failure_of, log_failure
from shim.links import Links
from shim.request_id import request_id_of

OPEN_PATHS = frozenset({"/", "/health", "/api/v1/health", "/ping", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/docs/assets/",)
"""What everybody may read: nothing there is anybody's."""


class Gate:
    """Wraps the app. Of a request that is refused nothing is read but its head."""

    def __init__(self, app: ASGIApp, admission: Admission, links: Links) -> None:
        self._app = app
        self._admission = admission
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                set_caller(scope, ANYBODY if is_open(scope) else await self._caller(scope))
            except EngineError as error:
                await _refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        """Whoever shows a key or token, or else comes by a link. Raises Unauthorized, and TokenKeysUnavailable."""
        may_be_linked = self._links.is_guarded and credential_of(Headers(scope=scope)) is None
        linked = self._links.caller(scope) if may_be_linked else None
        return linked or await self._admission.caller(scope)


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
