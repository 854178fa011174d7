"""What can go wrong between a client and RunPod's endpoint: planned answers in place of the endpoint's own."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    """One answer. ``status`` None: the connection is cut; ``taken``: after the request has been dealt with."""

    status: int | None = None
    body: str = '{"error": "planned"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    taken: bool = False


class Faults:
    """Counts the requests of each operation, such as `run`, and answers the next ones as planned."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._planned: dict[str, deque[Fault]] = defaultdict(deque)

    def plan(self, operation: str, *faults: Fault) -> None:
        self._planned[operation].extend(faults)

    def forget(self) -> None:
        """No faults are planned, and nothing has been asked."""
        self.asked.clear()
        self._planned.clear()

    async def answer(self, operation: str, request: web.Request, handler: Answer) -> web.StreamResponse:
        self.asked[operation] += 1
        planned = self._planned[operation]
        if not planned:
            return await handler(request)
        fault = planned.popleft()
        if fault.taken:
            await handler(request)
        if fault.status is None:
            return _cut(request)
        return web.Response(status=fault.status, text=fault.body, headers=fault.headers)


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
