"""worker/refresh.py: how many jobs the SDK may begin, and which answer asks for the refresh."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from worker.refresh import Refresh

SLOTS = 3


@dataclass
class Loop:
    """Holds jobs as the SDK does: from when they are taken until their task, which delivers them, has ended."""

    worn: bool = False
    held: int = 0
    left: bool = False

    def __post_init__(self) -> None:
        self.refresh = Refresh(SLOTS, lambda: self.worn, lambda: self.held, self._leave)
        self._ends: dict[str, asyncio.Event] = {}
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._delivered = asyncio.Event()
        self._handler = self.refresh.around(self._answer)

    def take(self) -> None:
        self.held += 1

    async def begin(self, job_id: str) -> asyncio.Task[None]:
        self._ends[job_id], self._answers[job_id] = asyncio.Event(), asyncio.Future()
        task = asyncio.create_task(self._job(job_id))
        await asyncio.sleep(0)
        return task

    async def answered(self, job_id: str) -> dict[str, Any]:
        self._ends[job_id].set()
        return await self._answers[job_id]

    async def deliver(self) -> None:
        """Every answer reaches the queue."""
        self._delivered.set()
        await asyncio.sleep(0.01)

    @property
    def slots(self) -> int:
        return self.refresh.slots(SLOTS)

    def _leave(self) -> None:
        self.left = True

    async def _job(self, job_id: str) -> None:
        try:
            self._answers[job_id].set_result(await self._handler({"id": job_id, "input": {}}))
            await self._delivered.wait()
        finally:
            self.held -= 1

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._ends[request["id"]].wait()
        return {"error": "text"}


def scenario(run: Callable[[Loop], Coroutine[Any, Any, None]]) -> None:
    async def in_loop() -> None:
        await run(Loop())

    asyncio.run(in_loop())


async def taken_and_begun(loop: Loop, *job_ids: str) -> list[asyncio.Task[None]]:
    for _ in job_ids:
        loop.take()
    return [await loop.begin(job_id) for job_id in job_ids]


REFRESHED = {"error": "text", "refresh_worker": True}
PLAIN = {"error": "text"}


def test_a_sound_worker_keeps_its_slots_and_says_nothing() -> None:
    async def run(loop: Loop) -> None:
        await taken_and_begun(loop, "a")
        assert loop.slots == SLOTS
        assert await loop.answered("a") == PLAIN
        await loop.deliver()
        assert loop.slots == SLOTS
        assert not loop.left

    scenario(run)


def test_only_the_last_answer_of_a_worn_one_asks_for_the_refresh() -> None:
    async def run(loop: Loop) -> None:
        await taken_and_begun(loop, "a", "b")
        loop.worn = True
        assert loop.slots == 0
        assert await loop.answered("a") == PLAIN
        # What is still being delivered runs no more.
        assert loop.slots == 0
        assert await loop.answered("b") == REFRESHED

    scenario(run)


def test_a_job_that_was_taken_and_not_begun_is_let_begin_and_counts_as_running() -> None:
    async def run(loop: Loop) -> None:
        await taken_and_begun(loop, "a")
        loop.worn = True
        loop.take()
        assert loop.slots == 2
        assert await loop.answered("a") == PLAIN
        await loop.begin("b")
        assert loop.slots == 0
        assert await loop.answered("b") == REFRESHED

    scenario(run)


def test_a_worn_worker_leaves_when_its_last_job_was_cancelled() -> None:
    async def run(loop: Loop) -> None:
        [task] = await taken_and_begun(loop, "a")
        loop.worn = True
        assert loop.slots == 0
        assert not loop.left
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.slots == 0
        assert loop.left

    scenario(run)


def test_it_leaves_no_sooner_than_its_last_answer_is_delivered() -> None:
    async def run(loop: Loop) -> None:
        await taken_and_begun(loop, "a")
        loop.worn = True
        assert await loop.answered("a") == REFRESHED
        assert loop.slots == 0
        assert not loop.left
        await loop.deliver()
        assert loop.slots == 0
        assert loop.left

    scenario(run)
