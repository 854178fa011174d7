"""Sessions: create, status, delete."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from pydantic import TypeAdapter

from engine.schemas import CreateSession, DeleteReply, parse_input
from engine.session_records import PREPARING
from shim.avatars.consent import Consent
from shim.backends import Backend
from shim.bodies import SMALL_BODY_BYTES, Body, read_json_object
from shim.browsers.reach import demand_own_session
from shim.callers import caller_of
from shim.keyed_requests import KEY_PARAMETER, KeyedRequests, RequestKey
from shim.openapi import body_of
from shim.recent_sessions import RecentSessions
from shim.replies import SessionCreated
from shim.session_id import demand_session_id
from shim.session_list import SessionState
from shim.session_status import SessionStatus

_CREATED = TypeAdapter(SessionCreated)


def session_routes(
    backend: Backend,
    recent: RecentSessions,
    keyed: KeyedRequests,
    stop_jobs: Callable[[str], Awaitable[None]],
    consent: Consent,
    status: SessionStatus,
) -> APIRouter:
    """The contract's three paths. ``stop_jobs``: of a session that goes."""
    router = APIRouter(prefix="/api/v1/session", tags=["Sessions"])
    _add_creating(router, backend, keyed, consent)
    _add_looking(router, status)
    _add_deleting(router, backend, recent, stop_jobs)
    return router


def _add_creating(router: APIRouter, backend: Backend, keyed: KeyedRequests, consent: Consent) -> None:
    @router.post(
        "/create",
        summary="Create a new session and prepare the avatar.",
        openapi_extra={**body_of(CreateSession, required=False, example={"avatar_video_path": None}), **KEY_PARAMETER},
    )
    async def create_session(request: Request) -> SessionCreated:
        given = await read_json_object(request, SMALL_BODY_BYTES)
        body = Body.of(given, CreateSession)
        caller = caller_of(request.scope)
        consent.demand_of_body(given, caller)
        demand_own_session(caller, body.fields)
        creation = parse_input({"action": "create_session", **body.fields, "owner": caller.owner})
        assert isinstance(creation, CreateSession)

        async def create(name: str) -> SessionCreated:
            session_id = creation.session_id or (name if caller.grant is None else caller.grant.session_name(name))
            await backend.create_session(creation, session_id)
            return SessionCreated(session_id=session_id, message=PREPARING, warnings=body.warnings)

        key = RequestKey.of(request, given)
        return await (create(str(uuid.uuid4())) if key is None else keyed.once(key, _CREATED, create))


def _add_looking(router: APIRouter, status: SessionStatus) -> None:
    @router.get(
        "/{session_id}/status",
        summary="Get the status of a session.",
        response_model_exclude_none=True,
    )
    async def get_session_status(request: Request, session_id: str) -> SessionState:
        demand_session_id(session_id)
        return await status.of(session_id, caller_of(request.scope))


def _add_deleting(
    router: APIRouter, backend: Backend, recent: RecentSessions, stop_jobs: Callable[[str], Awaitable[None]]
) -> None:
    @router.delete("/{session_id}", summary="Delete a session and clean up resources.")
    async def delete_session(request: Request, session_id: str) -> DeleteReply:
        demand_session_id(session_id)
        owner = caller_of(request.scope).owner
        await recent.get(session_id, owner)
        await stop_jobs(session_id)
        return await backend.delete_session(session_id, owner)
