"""The gate within the outermost door: no request gets past it without a caller."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.errors import EngineError
from shim.auth.admission import Admission, credential_of
from shim.auth.tokens import refused
from shim.browsers.origins import Origins
from shim.browsers.reach import Reach
from shim.browsers.tokens import BrowserTokens, is_browser_token, offered_token
from shim.callers import ANYBODY, Caller, set_caller
from shim.errors import failure_of, log_failure
from shim.links import Links
from shim.refusals import UnknownPath
from shim.request_id import request_id_of

OPEN_PATHS = frozenset({"/", "/health", "/api/v1/health", "/ping", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/docs/assets/", "/web/")
"""What everybody may read: nothing there is anybody's."""


@dataclass(frozen=True)
class Browsers:
    """What is known of browsers: the tokens of their pages, what those reach, and which pages may ask."""

    tokens: BrowserTokens
    reach: Reach
    origins: Origins


class Gate:
    """Wraps the app. Of a request that is refused nothing is read but its head."""

    def __init__(self, app: ASGIApp, admission: Admission, links: Links, browsers: Browsers) -> None:
        self._app = app
        self._admission = admission
        self._links = links
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                set_caller(scope, ANYBODY if is_open(scope) else await self._caller(scope))
            except EngineError as error:
                await turn_away(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        """Whoever sends the request, and may send it. Raises the EngineError that refuses it."""
        if scope["path"].endswith("\n"):
            # The router takes it for the path without, and whoever counts or guards that path would not.
            raise UnknownPath("There is nothing at a path that ends with a line's end. See /docs for what there is.")
        caller = await self._known(scope)
        self._browsers.origins.demand(scope, caller)
        if caller.grant is not None:
            await self._browsers.reach.demand(caller.grant, scope.get("method", "WEBSOCKET"), scope["path"])
        return caller

    async def _known(self, scope: Scope) -> Caller:
        """Whoever shows a key or token, or else comes by a link."""
        offered = offered_token(scope)
        credential = offered or credential_of(Headers(scope=scope))
        if credential is not None and is_browser_token(credential):
            return await self._browsers.tokens.caller(credential)
        if offered is not None:
            # A key in a page is everybody's: this way in is not for keys.
            raise refused()
        linked = self._links.caller(scope) if self._links.is_guarded and credential is None else None
        return linked or await self._admission.caller(scope)


def is_open(scope: Scope) -> bool:
    """Whether the request needs no key. OPTIONS is what browsers ask before they send one."""
    if scope["type"] != "http":
        return False
    path: str = scope["path"]
    return scope["method"] == "OPTIONS" or is_open_path(path)


def is_open_path(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


async def turn_away(error: EngineError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket's handshake, with an error and nothing else."""
    failure = failure_of(error)
    log_failure(error, failure)
    response = failure.response(request_id_of(scope))
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
