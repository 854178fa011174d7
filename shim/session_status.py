"""What everybody asks for again and again: a session's status, and the short way to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import EngineError
from shim.backends import Backend
from shim.callers import Caller, caller_of
from shim.errors import on_error
from shim.links import Links
from shim.recent_sessions import RecentSessions
from shim.session_list import SessionState, session_state

_PATH = re.compile(r"/api/v1/session/([A-Za-z0-9_-]{1,64})/status")


@dataclass(frozen=True)
class SessionStatus:
    """The status of sessions, as they were up to a second ago."""

    backend: Backend
    recent: RecentSessions
    links: Links

    async def of(self, session_id: str, caller: Caller) -> SessionState:
        """Raises SessionNotFound, and what the store raises."""
        record = await self.recent.get(session_id, caller.owner)
        return session_state(record, (await self.backend.health()).renderer, self.links, caller)


@dataclass(frozen=True)
class _Route:
    """What is counted as the route of a request that none of FastAPI's was asked for."""

    path: str = "/api/v1/session/{session_id}/status"


class ShortWay:
    """Wraps the app, and answers a GET of a status in its place: as its route does, which the API's description is made
    of, but for a third of the time that a poll would take."""

    def __init__(self, app: ASGIApp, status: SessionStatus) -> None:
        self._app = app
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _Route()
        response = await self._answer(asked[1], Request(scope))
        await response(scope, receive, send)

    async def _answer(self, session_id: str, request: Request) -> Response:
        try:
            state = await self._status.of(session_id, caller_of(request.scope))
        except EngineError as error:
            return await on_error(request, error)
        return Response(state.model_dump_json(exclude_none=True), media_type="application/json")
