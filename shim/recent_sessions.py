"""Sessions as they were a moment ago, for those who ask again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.records import SessionRecord

FRESH_SECONDS = 1.0
"""How often a session is read at most, however many ask for it."""

STALE_SECONDS = 1.0
"""For so much longer it is told as it was, while it is read anew: who asks often never waits for the store."""

_Reading = asyncio.Future[SessionRecord]


@dataclass
class _Seen:
    """What is known of a session. at: when it was begun to be read as ``record`` has it. reading: goes on now."""

    record: SessionRecord | None = None
    at: float = -float("inf")
    reading: _Reading | None = None


class RecentSessions:
    """Others' changes of a session may stay unseen for FRESH_SECONDS and STALE_SECONDS together.

    read: gives the owner's session, and raises what keeps it from that. A session that can't be read is not
    remembered: who asks next may find it. clock: seconds. Used in one event loop; ``forget`` may be called in any
    thread.
    """

    def __init__(
        self,
        read: Callable[[str, str | None], Awaitable[SessionRecord]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._seen: dict[str, dict[str | None, _Seen]] = {}

    async def get(self, session_id: str, owner: str | None) -> SessionRecord:
        """Raises what ``read`` raises."""
        by_owner = self._seen.setdefault(session_id, {})
        seen = by_owner.setdefault(owner, _Seen())
        age = self._clock() - seen.at
        if age >= FRESH_SECONDS and seen.reading is None:
            self._begin(session_id, owner, seen)
        if seen.record is not None and age < FRESH_SECONDS + STALE_SECONDS:
            return seen.record
        assert seen.reading is not None
        # Whoever gives up takes nothing from the others, who wait for the same.
        return await asyncio.shield(seen.reading)

    def forget(self, session_id: str) -> None:
        """The session has changed: what is being read of it now may be what it was before."""
        self._seen.pop(session_id, None)

    def _begin(self, session_id: str, owner: str | None, seen: _Seen) -> None:
        began = self._clock()

        def end(reading: _Reading) -> None:
            seen.reading = None
            if reading.cancelled() or reading.exception() is not None:
                self._drop(session_id, owner, seen)
            else:
                seen.record, seen.at = reading.result(), began
                loop = asyncio.get_running_loop()
                loop.call_later(FRESH_SECONDS + STALE_SECONDS, self._drop_unasked, session_id, owner, seen)

        seen.reading = asyncio.ensure_future(self._read(session_id, owner))
        seen.reading.add_done_callback(end)

    def _drop_unasked(self, session_id: str, owner: str | None, seen: _Seen) -> None:
        if seen.reading is None and self._clock() - seen.at >= FRESH_SECONDS + STALE_SECONDS:
            self._drop(session_id, owner, seen)

    def _drop(self, session_id: str, owner: str | None, seen: _Seen) -> None:
        by_owner = self._seen.get(session_id, {})
        if by_owner.get(owner) is seen:
            del by_owner[owner]
            if not by_owner:
                self._seen.pop(session_id, None)
