"""POST /api/v1/tokens: a token that a page can be handed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from engine.avatar.uploads import upload_key
from engine.errors import InvalidInput
from engine.schemas import Id
from engine.store.protocol import ObjectStore
from shim.backends import Backend
from shim.bodies import SMALL_BODY_BYTES, read_json_object, validated
from shim.browsers.origins import Origins, is_origin
from shim.browsers.spending import TokenCounts
from shim.browsers.tokens import BrowserTokens
from shim.callers import Caller, Grant, caller_of
from shim.refusals import Forbidden, StoredAvatarNotFound

MOST_ORIGINS = 10
_EXAMPLE = {"session_id": "550e8400-e29b-41d4-a716-446655440000", "origins": ["https://shop.example"], "generations": 3}
Origin = Annotated[str, StringConstraints(max_length=255)]


class TokenRequest(BaseModel):
    """What a token is to be good for: a session, or an avatar and the sessions that it creates of that."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    session_id: Id | None = None
    avatar_id: Id | None = None
    origins: list[Origin] = Field(
        default_factory=list,
        max_length=MOST_ORIGINS,
        description="Of the pages that may use it, each allowed by CORS_ORIGINS. None: all that are allowed.",
        examples=[["https://shop.example"]],
    )
    generations: int = Field(10, ge=1, le=1000, description="How many videos it is good for.")
    expires_in: int = Field(600, ge=1, le=3600, description="How long it is good, in seconds.")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.session_id is None) == (self.avatar_id is None):
            raise ValueError("send either `session_id` or `avatar_id`")
        return self


_CONTENT = {"schema": TokenRequest.model_json_schema(), "example": _EXAMPLE}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _CONTENT}}}


class TokenReply(BaseModel):
    """A token for a browser: for `Authorization: Bearer`, or as the WebSocket's subprotocol `token.<token>`."""

    token: str
    token_id: str = Field(examples=["9f86d081884c7d65"])
    expires_at: datetime
    generations: int


@dataclass(frozen=True)
class Mint:
    """Mints tokens. ``now`` gives the time in UTC."""

    tokens: BrowserTokens
    counts: TokenCounts
    backend: Backend
    store: ObjectStore
    origins: Origins
    now: Callable[[], datetime]

    async def mint(self, caller: Caller, asked: TokenRequest) -> TokenReply:
        """Raises Forbidden, InvalidInput, SessionNotFound, StoredAvatarNotFound, and what the store raises."""
        if caller.kind not in ("key", "anybody"):
            raise Forbidden("Tokens are minted for keys alone. Ask with a key, from a server of your own.")
        for origin in asked.origins:
            self._demand_allowed(origin)
        await self._demand_there(caller, asked)
        return await asyncio.to_thread(self._mint, caller, asked)

    def _mint(self, caller: Caller, asked: TokenRequest) -> TokenReply:
        now = datetime.fromtimestamp(int(self.now().timestamp()), UTC)
        expires_at = now + timedelta(seconds=asked.expires_in)
        grant = Grant(secrets.token_hex(8), asked.session_id, asked.avatar_id, tuple(asked.origins))
        token = self.tokens.mint(caller, grant, int(now.timestamp()), int(expires_at.timestamp()))
        self.counts.open(grant.token_id, asked.generations, expires_at)
        return TokenReply(token=token, token_id=grant.token_id, expires_at=expires_at, generations=asked.generations)

    def _demand_allowed(self, origin: str) -> None:
        if not is_origin(origin):
            raise InvalidInput(
                f"`origins`: {origin!r} is none. Send them as browsers do, such as https://shop.example."
            )
        if not self.origins.allows(origin):
            raise InvalidInput(f"`origins`: pages of {origin} may not use this server. Add it to CORS_ORIGINS first.")

    async def _demand_there(self, caller: Caller, asked: TokenRequest) -> None:
        if asked.session_id is not None:
            await self.backend.session(asked.session_id, caller.owner)
        elif asked.avatar_id is not None:
            key = upload_key(caller.owner, asked.avatar_id)
            if await asyncio.to_thread(self.store.head, key) is None:
                raise StoredAvatarNotFound(f"There is no uploaded avatar `{asked.avatar_id}`: upload it first.")


def token_routes(mint: Mint) -> APIRouter:
    """POST /api/v1/tokens."""
    router = APIRouter(prefix="/api/v1/tokens", tags=["Tokens for browsers"])

    @router.post(
        "",
        summary="Mint a short-lived token for a page: keys don't belong in browsers.",
        description="It speaks with one session, or creates sessions of one avatar, until it expires or its "
        "generations are used up. A page sends it as `Authorization: Bearer`, and to a WebSocket as one of the "
        "subprotocols `talking-avatar` and `token.<token>`.",
        openapi_extra=_BODY,
    )
    async def create_token(request: Request, response: Response) -> TokenReply:
        asked = validated(await read_json_object(request, SMALL_BODY_BYTES), TokenRequest)
        response.headers["Cache-Control"] = "no-store"
        return await mint.mint(caller_of(request.scope), asked)

    return router
