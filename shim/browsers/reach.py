"""What a browser's token reaches: the rule for paths, for sessions to be created and for videos to be made.

Whatever no line of the table allows is refused, paths that nobody has thought of among them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError, SessionNotFound
from engine.schemas import Generate
from shim.callers import Caller, Grant
from shim.refusals import Forbidden, JobNotFound, OutputNotFound, StreamNotFound

_READ = frozenset({"GET", "HEAD"})
_WRITE = frozenset({"POST"})
_ID = r"([A-Za-z0-9_-]{1,64})"

Part = Literal["", "avatar", "session", "output", "stream", "job"]


@dataclass(frozen=True)
class Rule:
    """``methods``, with WEBSOCKET among them, of ``path`` are allowed: everywhere, or only where what the path's
    group names is part of what the token is for. ``avatar``: only with a token for an avatar."""

    methods: frozenset[str]
    path: re.Pattern[str]
    part: Part = ""


RULES = (
    Rule(_READ, re.compile(r"/api/v1/(?:voices|models|limits)")),
    Rule(_WRITE, re.compile(r"/api/v1/session/create"), "avatar"),
    Rule(_READ, re.compile(rf"/api/v1/session/{_ID}/(?:status|thumbnail)"), "session"),
    # Which session these speak with is said in the body, and looked at by demand_own_video.
    Rule(_WRITE, re.compile(r"/api/v1/generate/text-to-video")),
    Rule(_WRITE | {"WEBSOCKET"}, re.compile(r"/api/v1/generate/text-to-video-stream")),
    Rule(_READ, re.compile(rf"/api/v1/generate/(?:video|audio|captions|thumbnail)/[a-z]+_{_ID}\.[a-z0-9]+"), "output"),
    Rule(_READ, re.compile(rf"/api/v1/generate/stream/{_ID}(?:/.*)?"), "stream"),
    Rule(_READ, re.compile(rf"/api/v1/jobs/{_ID}"), "job"),
    Rule(_WRITE, re.compile(rf"/api/v1/jobs/{_ID}/cancel"), "job"),
)

NOT_THERE: dict[Part, EngineError] = {
    "session": SessionNotFound("This token is for another session, or there is none of that id."),
    "output": OutputNotFound("There is no such file. Use the addresses that a generate answers with."),
    "stream": StreamNotFound("This token is for another session, or there is no such stream."),
    "job": JobNotFound("This token is for another session, or there is no such job."),
}


@dataclass(frozen=True)
class Reach:
    """``session_of``: the session that a job is of; None when there is no such job. It may block."""

    session_of: Callable[[str], str | None]

    async def demand(self, grant: Grant, method: str, path: str) -> None:
        """Raises Forbidden for a path that no token reaches, the error of what isn't there for what this one doesn't,
        and what the store raises."""
        for rule in RULES:
            if method in rule.methods and (found := rule.path.fullmatch(path)):
                return await self._demand_part(grant, rule.part, found)
        raise Forbidden("A browser's token can't do this. Ask with a key, from a server of your own.")

    async def _demand_part(self, grant: Grant, part: Part, found: re.Match[str]) -> None:
        if part == "avatar" and grant.avatar_id is None:
            raise Forbidden("This token is for one session, and can't create others. Use its session.")
        if part in NOT_THERE and not await self._is_reached(grant, part, found[1]):
            raise type(NOT_THERE[part])(NOT_THERE[part].message)

    async def _is_reached(self, grant: Grant, part: Part, name: str) -> bool:
        session_id = name if part == "session" else await asyncio.to_thread(self.session_of, name)
        return session_id is not None and grant.reaches(session_id)


def demand_own_session(caller: Caller, fields: Mapping[str, Any]) -> None:
    """Raises Forbidden where a token would create a session of another avatar than its own, or have it prepared in
    another way: every way is a preparation of its own. ``fields``: of the body."""
    grant = caller.grant
    if grant is not None and fields != {"avatar_video_path": grant.avatar_id}:
        raise Forbidden('This token creates sessions of its avatar alone: send {"avatar_video_path": its id}.')


def demand_own_video(caller: Caller, request: Generate) -> None:
    """Raises SessionNotFound and Forbidden for a video of what the caller's token is not for."""
    if caller.grant is None:
        return
    if request.session_id is None:
        raise Forbidden("A browser's token speaks with a session: send its `session_id`, and no avatar.")
    if not caller.grant.reaches(request.session_id):
        raise SessionNotFound(NOT_THERE["session"].message)
