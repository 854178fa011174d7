"""worker/threads.py: jobs in threads, and cancellation that waits for them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator

import pytest

from engine.cancel import CancelToken
from engine.errors import AudioSilent
from worker.threads import JobThreads


@pytest.fixture
def threads() -> Iterator[JobThreads]:
    threads = JobThreads(1)
    yield threads
    threads.close()


class Stubborn:
    """Work that looks at its token only now and then, and notes when it left."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self.began = threading.Event()
        self.left = False

    def __call__(self) -> str:
        self.began.set()
        while not self._cancel.cancelled:
            time.sleep(0.01)
        time.sleep(0.15)
        self.left = True
        self._cancel.check()
        return "never"


def nap() -> str:
    time.sleep(0.2)
    return "done"


def test_the_loop_runs_on_while_a_job_works(threads: JobThreads) -> None:
    async def scenario() -> tuple[str, int]:
        job = asyncio.create_task(threads.run(nap, CancelToken()))
        turns = 0
        while not job.done():
            turns += 1
            await asyncio.sleep(0.01)
        return await job, turns

    result, turns = asyncio.run(scenario())
    assert result == "done"
    assert turns > 5


def test_an_error_of_the_job_comes_out(threads: JobThreads) -> None:
    def work() -> None:
        raise AudioSilent("The sound is silent.")

    with pytest.raises(AudioSilent):
        asyncio.run(threads.run(work, CancelToken()))


def test_the_thread_sees_the_context_of_its_job(threads: JobThreads) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def scenario() -> str:
        name.set("job-7")
        return await threads.run(name.get, CancelToken())

    assert asyncio.run(scenario()) == "job-7"


@pytest.mark.parametrize("times", [1, 3])
def test_a_cancelled_job_ends_only_when_its_thread_has_left(threads: JobThreads, times: int) -> None:
    async def scenario() -> bool:
        cancel = CancelToken()
        work = Stubborn(cancel)
        job = asyncio.create_task(threads.run(work, cancel))
        await asyncio.to_thread(work.began.wait)
        for _ in range(times):
            job.cancel()
            await asyncio.sleep(0.02)
        with pytest.raises(asyncio.CancelledError):
            await job
        return work.left

    assert asyncio.run(scenario())
