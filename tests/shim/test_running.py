"""The places of one process, and the line before them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.outages import Interrupted, Overloaded
from shim.running import RunningJobs, WaitingJob


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 10)

    asyncio.run(bounded())


async def until_let_go(jobs: RunningJobs, waiting: WaitingJob, go: asyncio.Event, order: list[str]) -> None:
    async with jobs.turn(waiting) as job:
        order.append(job.job_id)
        await go.wait()


def test_who_waits_has_the_next_place_in_order() -> None:
    async def scenario() -> None:
        jobs, go, order = RunningJobs(1, 3), asyncio.Event(), list[str]()
        waiting = [jobs.line_up(name, "s") for name in "abc"]
        assert [jobs.position(each) for each in waiting] == [None, 1, 2]
        tasks = [asyncio.create_task(until_let_go(jobs, each, go, order)) for each in reversed(waiting)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded), jobs.slot("d", "s"):
            pass
        go.set()
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c"]
        with jobs.slot("d", "s"):
            pass

    run(scenario)


def test_nobody_takes_all_of_a_long_line() -> None:
    async def scenario() -> None:
        jobs = RunningJobs(1, 8)
        jobs.line_up("first", "s", "alice")
        for number in range(6):
            jobs.demand_room("alice")
            jobs.line_up(f"a{number}", "s", "alice")
        with pytest.raises(Overloaded, match="6 of your videos"):
            jobs.demand_room("alice")
        for number in range(2):
            jobs.demand_room("bob")
            jobs.line_up(f"b{number}", "s", "bob")
        with pytest.raises(Overloaded, match="8 videos"):
            jobs.demand_room("bob")

    run(scenario)


def test_the_line_has_an_end_and_no_job_stands_in_it_twice() -> None:
    async def scenario() -> None:
        jobs = RunningJobs(1, 1)
        jobs.line_up("a", "s")
        jobs.demand_room()
        jobs.line_up("b", "s")
        with pytest.raises(Overloaded) as caught:
            jobs.demand_room()
        assert caught.value.retry_after
        for taken in "ab":
            with pytest.raises(Overloaded):
                jobs.line_up(taken, "s")

    run(scenario)


@pytest.mark.parametrize("how", ["by its id", "with its session", "with all"])
def test_a_waiting_job_is_cancelled(how: str) -> None:
    async def scenario() -> None:
        jobs = RunningJobs(1, 3)
        first, second, third = jobs.line_up("a", "s"), jobs.line_up("b", "t"), jobs.line_up("c", "u")
        {"by its id": lambda: jobs.cancel("b"), "with its session": lambda: jobs.cancel_session("t")}.get(
            how, jobs.cancel_all
        )()
        with pytest.raises(Interrupted):
            async with jobs.turn(second):
                pass
        assert first.job.cancel.cancelled == (how == "with all")
        if how == "with all":
            with pytest.raises(Interrupted):
                await third.place
        else:
            assert jobs.position(third) == 1

    run(scenario)


def test_who_leaves_the_line_makes_room() -> None:
    async def scenario() -> None:
        jobs, go, order = RunningJobs(1, 3), asyncio.Event(), list[str]()
        tasks = [asyncio.create_task(until_let_go(jobs, jobs.line_up(name, "s"), go, order)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[0].cancel()
        await asyncio.wait(tasks[:2])
        go.set()
        await tasks[2]
        assert order == ["a", "c"]
        with jobs.slot("d", "s"):
            pass

    run(scenario)
