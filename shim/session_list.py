"""Sessions as a list, and what each of them looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from engine.errors import SessionNotFound
from engine.owner_index import Entry
from engine.records import Records, SessionRecord
from engine.schemas import SessionReply
from engine.session_records import session_reply
from shim.backends import Backend
from shim.callers import Caller, caller_of
from shim.links import Links
from shim.pages import CURSOR, LIMIT, PageAsked, page_of
from shim.serving import add_file, respond
from shim.session_id import demand_session_id
from shim.thumbnails import Thumbnails


class SessionState(SessionReply):
    """A session as the API tells of it."""

    created_at: AwareDatetime
    thumbnail_url: str | None = Field(
        None, description="JPEG of the avatar's first frame with a face, once it is ready."
    )


class SessionPage(BaseModel):
    """Some of the caller's sessions, newest first. ``next_cursor``: leads to older ones, where there are any."""

    sessions: list[SessionState]
    next_cursor: str | None = None


def session_state(record: SessionRecord, renderer: str, links: Links, caller: Caller) -> SessionState:
    """The session as its caller sees it."""
    path = f"/api/v1/session/{record.session_id}/thumbnail"
    return SessionState(
        **session_reply(record, renderer).model_dump(),
        created_at=record.created,
        thumbnail_url=links.address(path, caller) if record.status == "ready" else None,
    )


@dataclass(frozen=True)
class SessionList:
    """Lists what an owner has. now: the time in UTC."""

    backend: Backend
    records: Records
    links: Links
    now: Callable[[], datetime]

    async def page(self, asked: PageAsked, caller: Caller) -> SessionPage:
        async def find(entry: Entry) -> SessionRecord | None:
            try:
                record = await self.backend.session(entry.thing_id, caller.owner)
            except SessionNotFound:
                return None
            return record if self.records.sessions.entry(record) == entry else None

        page = await page_of(asked, caller.owner, self.records.sessions, find, self.now())
        renderer = (await self.backend.health()).renderer
        sessions = [session_state(record, renderer, self.links, caller) for record in page.items]
        return SessionPage(sessions=sessions, next_cursor=page.next_cursor)


def session_list_routes(listed: SessionList, thumbnails: Thumbnails) -> APIRouter:
    """GET /api/v1/sessions and a session's thumbnail."""
    router = APIRouter(prefix="/api/v1", tags=["Sessions"])

    @router.get("/sessions", summary="List the sessions, newest first.", response_model_exclude_none=True)
    async def list_sessions(request: Request, limit: int = LIMIT, cursor: str | None = CURSOR) -> SessionPage:
        return await listed.page(PageAsked.of(limit, cursor), caller_of(request.scope))

    async def thumbnail(request: Request, session_id: str) -> Response:
        demand_session_id(session_id)
        record = await listed.backend.session(session_id, caller_of(request.scope).owner)
        return respond(request, await asyncio.to_thread(thumbnails.of_session, record))

    add_file(
        router,
        "/session/{session_id}/thumbnail",
        thumbnail,
        name="session_thumbnail",
        summary="Serve the avatar's first frame with a face.",
        content_type="image/jpeg",
    )
    return router
