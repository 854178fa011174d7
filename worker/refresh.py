"""A worn worker takes no more jobs, and asks for a fresh one in its place with the result of its last job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from worker.sdk import Handler

REFRESH = "refresh_worker"
"""The key of a result, an error too, by which the SDK asks RunPod to stop this worker's container."""


class Refresh:
    """Stands between the SDK's loop and the handler, in the loop's own thread.

    slots: how many jobs at a time. worn: whether the worker should be replaced.
    held: how many jobs the SDK has, from when the queue handed them out until their results are delivered.
    leave: ends the SDK's loop.
    """

    def __init__(
        self, slots: int, worn: Callable[[], bool], held: Callable[[], int], leave: Callable[[], None]
    ) -> None:
        self._slots = slots
        self._worn = worn
        self._held = held
        self._leave = leave
        self._running = 0
        self._begun: set[asyncio.Task[Any]] = set()

    def slots(self, current: int) -> int:
        """The SDK's concurrency_modifier, asked before every poll for jobs.

        The SDK polls for the difference to what it holds, and begins as many as this says. So with none left to
        begin it is 0; but a poll that was under way may still bring jobs, which at 0 would lie there for ever.
        A worker left with nothing ends by itself: its last job may have been cancelled, which posts no result.
        """
        if not self._worn():
            return self._slots
        if self._unbegun() > 0:
            return self._held()
        if not self._held():
            self._leave()
        return 0

    def around(self, handler: Handler) -> Handler:
        """``handler``, whose last answer asks for the refresh once the worker is worn."""

        async def watched(request: dict[str, Any]) -> dict[str, Any]:
            self._note_begun()
            self._running += 1
            try:
                answer = await handler(request)
                last = self._running == 1 and self._unbegun() <= 0
                return {**answer, REFRESH: True} if last and self._worn() else answer
            finally:
                self._running -= 1

        return watched

    def _note_begun(self) -> None:
        # The SDK's task for a job, which delivers its result too.
        task = asyncio.current_task()
        assert task is not None
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    def _unbegun(self) -> int:
        return self._held() - sum(not task.done() for task in self._begun)
