"""How many videos may be made at once for one session."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from engine.schemas import Generate
from shim.callers import Caller
from shim.limits.leases import Leases, LeaseScope
from shim.limits.rates import counted_as


@dataclass(frozen=True)
class SessionGenerations:
    """A Check of the turnstile. ``most`` at once; None: any number.

    A request that brings its own avatar has no session that others know, and is counted with its caller's others.
    """

    leases: Leases
    most: int | None

    def held(self, caller: Caller, request: Generate) -> AbstractAsyncContextManager[None]:
        if self.most is None:
            return nullcontext()
        return self.leases.held(_scope(caller, request), self.most, request.idempotency_key)


def _scope(caller: Caller, request: Generate) -> LeaseScope:
    """The owner belongs to it, so that nobody takes up the places of another's session by asking for it."""
    if request.session_id is None:
        return LeaseScope("caller", counted_as(caller))
    return LeaseScope("session", f"{request.session_id} {request.owner or ''}")
