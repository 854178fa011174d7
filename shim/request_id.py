"""The outermost door: every request gets an id, a line in the log, and an answer whatever happens inside."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from shim.logs import RequestLog, request_log_context

HEADER = "X-Request-ID"

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_KEY = "shim.request_id"
_MOST_PATH = 200

log = logging.getLogger(__name__)


class StreamBroken(Exception):
    """A response that had begun can't be finished, for a reason that is logged already."""


def request_id_of(scope: Scope) -> str:
    """The id of the request: its client's own X-Request-ID where that is a plain word, else a new one."""
    return str(scope[_KEY])


def _new_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


@dataclass
class _Answer:
    """What has been sent so far."""

    send: Send
    request_id: str
    began: float = field(default_factory=time.monotonic)
    status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            self.status = message.get("status", 101)
            MutableHeaders(scope=message)[HEADER] = self.request_id
        await self.send(message)

    def tell(self, scope: Scope, caller: str | None) -> None:
        """The line of the request: nothing of its query and headers, which may hold what lets others in."""
        method, path = scope.get("method", "WEBSOCKET"), scope["path"][:_MOST_PATH]
        milliseconds = round(1000 * (time.monotonic() - self.began))
        status = self.status or "without an answer"
        fields = {"method": method, "path": path, "status": self.status, "milliseconds": milliseconds}
        asked_by = f" by {caller}" if caller is not None else ""
        log.info("%s %r %s in %d ms%s", method, path, status, milliseconds, asked_by, extra={"fields": fields})


class Door:
    """Wraps the app, which answers HTTP after a defect itself. ``tell_socket`` is the app that tells it to an open
    WebSocket."""

    def __init__(self, app: ASGIApp, tell_socket: ASGIApp) -> None:
        self._app = app
        self._tell_socket = tell_socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope[_KEY] = _new_id(scope)
        answer = _Answer(send, request_id_of(scope))
        with request_log_context(RequestLog(answer.request_id)) as told:
            await self._enter(scope, receive, answer)
            answer.tell(scope, told.caller)

    async def _enter(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer)
        except (StreamBroken, ClientDisconnect, WebSocketDisconnect):
            return
        except asyncio.CancelledError:
            log.warning("Cut off, because the server stops.")
        except Exception:
            log.exception("Failed in a way that nobody foresaw.")
            if scope["type"] == "websocket" and answer.status is not None:
                await self._tell_socket(scope, receive, answer)
