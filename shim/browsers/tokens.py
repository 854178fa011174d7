"""Tokens for browsers: short-lived JWTs that this server mints for a page, in which no key could be kept.

They have a key, a type, an issuer and an audience of their own, so that none of them is ever taken for a token of an
identity provider, nor one of those for them. Who has minted one stands in it as a word that only this server
understands; when its API key goes, so do the key's tokens.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jwt
from starlette.types import Scope

from engine.errors import Unauthorized
from shim.auth.tokens import MOST_CHARACTERS, refused
from shim.callers import Caller, Grant
from shim.signing import SigningSecret

SUBPROTOCOL = "talking-avatar"
"""The WebSocket's, which the server answers a token with."""

_OFFERED = "token."
_TYPE = "talking-avatar+jwt"
_ISSUER = "talking-avatar"
_AUDIENCE = "talking-avatar/browser"
_ALGORITHM = "HS256"
_CLAIMS = ("iss", "aud", "exp", "iat", "sub", "jti")


@dataclass(frozen=True)
class BrowserTokens:
    """Mints and checks them. minters: everybody whose tokens count. Blocks where it reads the secret first."""

    secret: SigningSecret
    minters: tuple[Caller, ...]

    def mint(self, minter: Caller, grant: Grant, now: int, expires_at: int) -> str:
        """Times are seconds since 1970. Raises what the secret does."""
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "iat": now,
            "exp": expires_at,
            "sub": self._word(minter.owner),
            "jti": grant.token_id,
            "session": grant.session_id,
            "avatar": grant.avatar_id,
            "origins": list(grant.origins),
        }
        return jwt.encode(claims, self.secret.key("tokens"), _ALGORITHM, {"typ": _TYPE})

    async def caller(self, token: str) -> Caller:
        """Whoever shows the token. Raises Unauthorized, and what the secret raises."""
        return await asyncio.to_thread(self._caller, token)

    def _caller(self, token: str) -> Caller:
        claims = self._claims(token)
        minter = self._minters.get(claims["sub"])
        if minter is None:
            raise refused()
        grant = Grant(claims["jti"], claims["session"], claims["avatar"], tuple(claims["origins"]))
        return Caller(minter.owner, minter.name, "browser", grant)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self.secret.key("tokens"),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                options={"require": list(_CLAIMS)},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired. Have a new one minted for the page.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise refused() from None

    @cached_property
    def _minters(self) -> dict[str, Caller]:
        return {self._word(minter.owner): minter for minter in self.minters}

    def _word(self, owner: str | None) -> str:
        return self.secret.key("tokens", f"minter {owner}").hex()[:32]


def is_browser_token(credential: str) -> bool:
    """Whether the credential says that it is a token for browsers, true or not."""
    if len(credential) > MOST_CHARACTERS:
        return False
    try:
        return bool(jwt.get_unverified_header(credential).get("typ") == _TYPE)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False


def offered_token(scope: Scope) -> str | None:
    """What a WebSocket offers as `token....` among its subprotocols: browsers can send it no other way."""
    offered: list[str] = scope["subprotocols"] if scope["type"] == "websocket" else []
    return next((name.removeprefix(_OFFERED) for name in offered if name.startswith(_OFFERED)), None)


def answered_subprotocol(scope: Scope) -> str | None:
    """The subprotocol that the handshake is answered with: never the one with the token in it."""
    return SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
