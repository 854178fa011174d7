"""JSON Web Tokens (RFC 7519) of an identity provider: signed, not expired, and for this server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from engine.errors import Unauthorized
from shim.auth.jwks import Jwks
from shim.callers import Caller

LEEWAY_SECONDS = 10
"""How far the provider's clock may be from this one."""

MOST_CHARACTERS = 8192
MOST_SUBJECT_CHARACTERS = 200


@dataclass(frozen=True)
class VerificationKey:
    """A key and the one algorithm that it is for."""

    key: Any = field(repr=False)
    algorithm: str


class VerificationKeys(Protocol):
    """Finds what a token is to be checked with."""

    async def of(self, token: str) -> VerificationKey:
        """Raises Unauthorized, and TokenKeysUnavailable."""
        ...


@dataclass(frozen=True)
class SharedSecret:
    """One secret for all tokens: HS256."""

    secret: str = field(repr=False)

    async def of(self, token: str) -> VerificationKey:
        return VerificationKey(self.secret, "HS256")


@dataclass(frozen=True)
class PublicKeys:
    """A provider's keys. A token says which of them, and the key says by which algorithm."""

    jwks: Jwks

    async def of(self, token: str) -> VerificationKey:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise refused() from None
        key = await self.jwks.find(key_id)
        if key is None:
            raise refused()
        return VerificationKey(key.key, key.algorithm_name)


@dataclass(frozen=True)
class TokenCheck:
    """Lets in whoever has a valid token. ``issuer``, ``audience``: what it has to say, where they are set."""

    keys: VerificationKeys
    issuer: str | None
    audience: str | None

    async def caller(self, token: str) -> Caller:
        """Whoever the token is about. Raises Unauthorized, and TokenKeysUnavailable."""
        if len(token) > MOST_CHARACTERS:
            raise refused()
        subject = self._claims(token, await self.keys.of(token))["sub"]
        if not (subject.isprintable() and 0 < len(subject) <= MOST_SUBJECT_CHARACTERS):
            raise Unauthorized("The token's `sub` has to be 1 to 200 printable characters.")
        return Caller(f"jwt:{subject}", subject, "token")

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired. Get a new one.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise refused() from None


def refused() -> Unauthorized:
    """All that is said of a credential that is none: nothing that helps to make one up."""
    return Unauthorized("This key or token is not valid here. Send one that the operator of this server has given out.")
