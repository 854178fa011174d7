"""GET /metrics: the one path that has a token of its own."""

from __future__ import annotations

import hmac

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import EngineError
from engine.schemas import HealthReply
from shim.auth.admission import credential_of
from shim.auth.loopback import is_loopback
from shim.backends import Backend
from shim.errors import unknown_path
from shim.metrics.instruments import Instruments
from shim.request_id import request_id_of

PATH = "/metrics"

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class MetricsPage:
    """Wraps the app. To whoever may not read the page it isn't there.

    token: lets its holder read it. None: whoever is on this machine may, and nobody else.
    """

    def __init__(self, app: ASGIApp, instruments: Instruments, backend: Backend, token: SecretStr | None) -> None:
        self._app = app
        self._instruments = instruments
        self._backend = backend
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        response = await self._page() if self._may_read(scope) else _not_found(scope)
        await response(scope, receive, send)

    async def _page(self) -> Response:
        self._instruments.told_health(await self._health())
        return Response(self._instruments.text(), media_type=CONTENT_TYPE_LATEST)

    async def _health(self) -> HealthReply | None:
        try:
            return await self._backend.health()
        except EngineError:
            return None

    def _may_read(self, scope: Scope) -> bool:
        if scope["method"] not in ("GET", "HEAD"):
            return False
        if self._token is None:
            return is_local(scope)
        given = credential_of(Headers(scope=scope)) or ""
        return hmac.compare_digest(given.encode(), self._token.get_secret_value().encode())


def is_local(scope: Scope) -> bool:
    """Whether the request comes from this machine, and no proxy on it has passed it on."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    return client is not None and is_loopback(client[0]) and not any(name in headers for name in _FORWARDED)


def _not_found(scope: Scope) -> Response:
    return unknown_path(HTTPConnection(scope)).response(request_id_of(scope))
