"""Sessions as they were a moment ago, for those who ask again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.records import SessionRecord

FRESH_SECONDS = 1.0
"""How long others' changes of a session may stay unseen."""

_Reading = asyncio.Future[SessionRecord]


class RecentSessions:
    """Reads every session once in ``fresh_seconds``, however many ask for it.

    read: gives the owner's session, and raises what keeps it from that. A session that can't be read is not
    remembered: who asks next may find it. Used in one event loop; ``forget`` may be called in any thread.
    """

    def __init__(
        self, read: Callable[[str, str | None], Awaitable[SessionRecord]], fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._readings: dict[str, dict[str | None, _Reading]] = {}

    async def get(self, session_id: str, owner: str | None) -> SessionRecord:
        """Raises what ``read`` raises."""
        readings = self._readings.setdefault(session_id, {})
        reading = readings.get(owner)
        if reading is None:
            reading = readings[owner] = asyncio.ensure_future(self._read(session_id, owner))
            reading.add_done_callback(lambda done: self._keep(done, lambda: self._drop(session_id, readings, owner)))
        # Whoever gives up takes nothing from the others, who wait for the same.
        return reading.result() if reading.done() else await asyncio.shield(reading)

    def forget(self, session_id: str) -> None:
        """The session has changed: what is being read of it now may be what it was before."""
        self._readings.pop(session_id, None)

    def _keep(self, reading: _Reading, drop: Callable[[], None]) -> None:
        if reading.cancelled() or reading.exception() is not None:
            drop()
        else:
            asyncio.get_running_loop().call_later(self._fresh_seconds, drop)

    def _drop(self, session_id: str, readings: dict[str | None, _Reading], owner: str | None) -> None:
        readings.pop(owner, None)
        if not readings and self._readings.get(session_id) is readings:
            self._readings.pop(session_id, None)
