"""Counts requests and how long they take, by the routes that answer them."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shim.metrics.instruments import METHODS, OTHER, Instruments

NO_ROUTE = "none"
"""Of what no route answers: unknown paths, and requests that are not let in."""

UNANSWERED = "none"
"""The status of a request whose client left first."""


class RequestMeter:
    """Wraps the app. ``clock`` gives seconds."""

    def __init__(self, app: ASGIApp, instruments: Instruments, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._instruments = instruments
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = self._clock(), UNANSWERED

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                status = str(message.get("status", 101))
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = route_of(scope)
            self._instruments.requests.labels(route, method_of(scope), status).inc()
            self._instruments.request_seconds.labels(route).observe(self._clock() - began)


def route_of(scope: Scope) -> str:
    """The route as it is written, such as `/api/v1/session/{session_id}/status`."""
    return getattr(scope.get("route"), "path", None) or NO_ROUTE


def method_of(scope: Scope) -> str:
    method: str = scope.get("method", "WEBSOCKET")
    return method if method in METHODS else OTHER
