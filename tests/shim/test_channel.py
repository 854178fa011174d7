"""Fragments on their way from the threads that make them to the loop that sends them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.cancel import Cancelled, CancelToken
from shim.backends import Fragment, Progress
from shim.channel import FRAGMENTS_AHEAD, VideoChannel


def test_everything_comes_in_order_and_then_the_end() -> None:
    async def scenario() -> list[Fragment | Progress]:
        channel = VideoChannel(CancelToken())

        def make() -> None:
            for number in range(3):
                channel.progress({"stage": "drawing", "progress": number / 2})
                channel.fragment(bytes([number]))

        made = asyncio.create_task(asyncio.to_thread(make))
        made.add_done_callback(lambda _: channel.end())
        return [item async for item in channel]

    items = asyncio.run(scenario())
    assert [item.data for item in items if isinstance(item, Fragment)] == [b"\0", b"\1", b"\2"]
    assert [item.share for item in items if isinstance(item, Progress)] == [0.0, 0.5, 1.0]
    assert isinstance(items[0], Progress)


def test_the_maker_waits_for_a_slow_reader() -> None:
    made = 0

    async def scenario() -> list[int]:
        channel = VideoChannel(CancelToken())

        def make() -> None:
            nonlocal made
            for _ in range(FRAGMENTS_AHEAD + 5):
                channel.fragment(b"x")
                made += 1

        task = asyncio.create_task(asyncio.to_thread(make))
        task.add_done_callback(lambda _: channel.end())
        await asyncio.sleep(0.5)
        ahead = made
        taken = sum([1 async for _ in channel])
        await task
        return [ahead, taken]

    assert asyncio.run(scenario()) == [FRAGMENTS_AHEAD, FRAGMENTS_AHEAD + 5]


def test_a_reader_that_has_left_ends_the_work() -> None:
    async def scenario(cancel: CancelToken) -> None:
        channel = VideoChannel(cancel, stall_seconds=0.3)

        def make() -> None:
            while True:
                channel.fragment(b"x")

        await asyncio.to_thread(make)

    cancel = CancelToken()
    with pytest.raises(Cancelled):
        asyncio.run(scenario(cancel))
    assert cancel.cancelled


def test_a_cancelled_job_does_not_wait_for_room() -> None:
    async def scenario() -> None:
        cancel = CancelToken()
        channel = VideoChannel(cancel)
        threading.Timer(0.3, cancel.cancel).start()

        def make() -> None:
            while True:
                channel.fragment(b"x")

        await asyncio.wait_for(asyncio.to_thread(make), 10)

    with pytest.raises(Cancelled):
        asyncio.run(scenario())
