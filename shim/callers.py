"""Who asks: every request has a caller, and what a caller makes belongs to its owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from starlette.types import Scope

from shim.logs import note_caller

_KEY = "shim.caller"

CallerKind = Literal["anybody", "key", "token", "browser", "link"]
"""How a caller was let in: without being asked; by a key; by a token of an identity provider; by a token that this
server has minted for a browser; by a signed link."""


@dataclass(frozen=True)
class Grant:
    """All that a browser's token lets its holder do; there is nothing else for it.

    token_id: under which its generations are counted. session_id, avatar_id: what it may speak with, one of them.
    origins: of the pages that may use it, such as `https://shop.example`; none: any page that CORS_ORIGINS allows.
    """

    token_id: str
    session_id: str | None
    avatar_id: str | None
    origins: tuple[str, ...]

    def reaches(self, session_id: str) -> bool:
        """Whether the session is the token's: the one it is for, or one that it has created."""
        return session_id == self.session_id or (self.avatar_id is not None and session_id.startswith(self._mark))

    def session_name(self, name: str) -> str:
        """The id of a session that the token creates, by which it is known as such from then on."""
        return f"{self._mark}{name}"

    @property
    def _mark(self) -> str:
        return f"{self.token_id}-"


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request.

    owner: whom what it makes belongs to; None where everybody is let in, and everything is everybody's.
    name: what logs and the usage report call it.
    grant: what a browser's token is limited to.
    link: the query that a link's caller came with: a secret until it expires.
    address: where it asks from, as far as requests are counted by that; no part of who it is.
    """

    owner: str | None
    name: str
    kind: CallerKind
    grant: Grant | None = None
    link: str | None = field(default=None, repr=False)
    address: str = field(default="", compare=False, repr=False)

    def owns(self, owner: str | None) -> bool:
        """Whether something of that owner is there for this caller: to all others it is as if it weren't.

        A link's caller is its owner, and the gate lets it in to the one thing that the link was signed for.
        """
        return owner == self.owner


ANYBODY = Caller(None, "anybody", "anybody")


def caller_of(scope: Scope) -> Caller:
    """The caller of a request that the gate has let in."""
    caller: Caller = scope[_KEY]
    return caller


def set_caller(scope: Scope, caller: Caller) -> None:
    """Called by the gate, and by the rate limits, which add the address."""
    scope[_KEY] = caller
    note_caller(caller.name)
