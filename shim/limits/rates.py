"""How often callers may ask: requests beyond it are refused before anything of them is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from limits import RateLimitItem
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shim.callers import Caller, caller_of, set_caller
from shim.errors import failure_of
from shim.limits.addresses import counted_address
from shim.limits.counts import Count, Counts
from shim.limits.settings import LimitSettings, rate_of
from shim.refusals import RateLimited
from shim.request_id import request_id_of

RATE_HEADERS = ("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
"""The first two as draft-ietf-httpapi-ratelimit-headers has them, the others as clients read them since long before."""


@dataclass(frozen=True)
class Policy:
    """``method`` and ``path``: of the requests that are counted, each apart by the path's groups. ``told``: what they
    do, for people."""

    name: str
    told: str
    method: str
    path: re.Pattern[str]
    rate: RateLimitItem

    def headers(self, count: Count) -> dict[str, str]:
        window = self.rate.get_expiry()
        values = (
            f'"{self.name}";r={count.remaining};t={count.reset}',
            f'"{self.name}";q={self.rate.amount};w={window}',
            str(self.rate.amount),
            str(count.remaining),
            str(count.reset),
        )
        return dict(zip(RATE_HEADERS, values, strict=True))

    def refusal(self, count: Count) -> RateLimited:
        return RateLimited(
            f"{self.told} only {self.rate.amount} times in {self.rate.get_expiry()} s. Try again in {count.reset} s.",
            count.reset,
        )


def policies_of(settings: LimitSettings) -> tuple[Policy, ...]:
    """Those that the settings ask for."""
    create, status = rate_of(settings.create_rate), rate_of(settings.status_rate)
    creating, asking = (
        re.compile(r"/api/v1/session/create"),
        re.compile(r"/api/v1/session/([A-Za-z0-9_-]{1,64})/status"),
    )
    return (
        *([Policy("create", "Sessions may be created", "POST", creating, create)] if create else []),
        *([Policy("status", "A session's status may be asked for", "GET", asking, status)] if status else []),
    )


class RateLimits:
    """Wraps the app, within the gate: of the requests that were let in it counts those that a policy is about."""

    def __init__(self, app: ASGIApp, settings: LimitSettings) -> None:
        self._app = app
        self._policies = policies_of(settings)
        self._counts = Counts(settings.redis_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        caller = replace(caller_of(scope), address=counted_address(scope))
        set_caller(scope, caller)
        found = self._policy_of(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
        else:
            await self._limited(*found, caller, scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            await self._counts.close()

    def _policy_of(self, scope: Scope) -> tuple[Policy, tuple[str, ...]] | None:
        for policy in self._policies:
            if policy.method == scope["method"] and (match := policy.path.fullmatch(scope["path"])):
                return policy, match.groups()
        return None

    async def _limited(
        self, policy: Policy, groups: tuple[str, ...], caller: Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        count = await self._counts.hit(policy.rate, policy.name, counted_as(caller), *groups)
        if count is None:
            await self._app(scope, receive, send)
            return
        telling = _telling(send, policy.headers(count))
        if count.accepted:
            await self._app(scope, receive, telling)
        else:
            refusal = failure_of(policy.refusal(count))
            await refusal.response(request_id_of(scope))(scope, receive, telling)


def counted_as(caller: Caller) -> str:
    """Who else's requests a caller's are counted with: a browser's token for itself, lest one browser uses up what
    its owner's others have; owners by name; and everybody else by address."""
    if caller.grant is not None:
        return f"token {caller.grant.token_id}"
    return f"address {caller.address}" if caller.owner is None else f"owner {caller.owner}"


def _telling(send: Send, headers: Mapping[str, str]) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return tell
