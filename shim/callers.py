"""Who asks: every request has a caller, and what a caller makes belongs to its owner."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

_KEY = "shim.caller"


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request.

    owner: whom what it makes belongs to; None where everybody is let in, and everything is everybody's.
    name: what logs and the usage report call it.
    """

    owner: str | None
    name: str

    def owns(self, owner: str | None) -> bool:
        """Whether something of that owner is there for this caller: to all others it is as if it weren't."""
        return owner == self.owner


ANYBODY = Caller(None, "anybody")


def caller_of(scope: Scope) -> Caller:
    """The caller of a request that the gate has let in."""
    caller: Caller = scope[_KEY]
    return caller


def set_caller(scope: Scope, caller: Caller) -> None:
    """Called by the gate alone."""
    scope[_KEY] = caller
