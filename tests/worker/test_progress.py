"""worker/progress.py: order, pace, and nothing after the end."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

import pytest

from worker.progress import ProgressLines, ProgressSender


class Wire:
    """Takes updates as the queue does, each after ``seconds``; fails the first ``failures``."""

    def __init__(self, seconds: float = 0.0, failures: int = 0, error: type[Exception] = ConnectionError) -> None:
        self.arrived: list[int] = []
        self._seconds = seconds
        self._failures = failures
        self._error = error

    async def send(self, update: dict[str, Any]) -> None:
        await asyncio.sleep(self._seconds)
        if self._failures:
            self._failures -= 1
            raise self._error
        self.arrived.append(update["k"])


def report_from_a_thread(sender: ProgressSender, count: int) -> threading.Thread:
    def work() -> None:
        for k in range(count):
            sender.report({"k": k})

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_newest_wins_in_order_and_the_last_is_sent_before_the_end() -> None:
    async def scenario() -> list[int]:
        wire = Wire(seconds=0.02)
        async with ProgressSender(wire.send, seconds_between=0.05) as sender:
            for k in range(40):
                sender.report({"k": k})
                await asyncio.sleep(0.005)
        return wire.arrived

    arrived = asyncio.run(scenario())
    assert arrived == sorted(set(arrived))
    assert arrived[0] < 5
    assert arrived[-1] == 39
    assert 3 <= len(arrived) <= 10


def test_what_a_thread_reported_last_is_sent_before_the_end() -> None:
    async def scenario() -> list[int]:
        wire = Wire()
        async with ProgressSender(wire.send, seconds_between=60) as sender:
            thread = report_from_a_thread(sender, 1_000)
            await asyncio.to_thread(thread.join)
        return wire.arrived

    assert asyncio.run(scenario())[-1] == 999


def test_the_end_does_not_wait_for_the_pace_and_nothing_follows_it() -> None:
    async def scenario() -> tuple[float, list[int]]:
        wire = Wire()
        loop = asyncio.get_running_loop()
        async with ProgressSender(wire.send, seconds_between=60) as sender:
            for k in range(2):
                sender.report({"k": k})
                await asyncio.sleep(0.02)
            began = loop.time()
        seconds = loop.time() - began
        sender.report({"k": 99})
        await asyncio.sleep(0.05)
        return seconds, wire.arrived

    seconds, arrived = asyncio.run(scenario())
    assert seconds < 10
    assert arrived == [0, 1]


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError, ValueError])
def test_an_update_that_does_not_arrive_fails_nothing(error: type[Exception]) -> None:
    async def scenario() -> list[int]:
        wire = Wire(failures=1, error=error)
        async with ProgressSender(wire.send, seconds_between=0.01) as sender:
            for k in range(2):
                sender.report({"k": k})
                await asyncio.sleep(0.05)
        return wire.arrived

    assert asyncio.run(scenario()) == [1]


def test_a_defect_in_sending_is_logged_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with ProgressSender(Wire(failures=1, error=KeyError).send) as sender:
            sender.report({"k": 0})
            await asyncio.sleep(0.02)

    asyncio.run(scenario())
    assert "Progress could not be sent." in caplog.text


def test_a_cancelled_job_sends_nothing_more() -> None:
    async def scenario() -> list[int]:
        wire = Wire(seconds=0.05)

        async def job() -> None:
            async with ProgressSender(wire.send, seconds_between=0.01) as sender:
                sender.report({"k": 0})
                await asyncio.sleep(60)

        task = asyncio.create_task(job())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)
        return wire.arrived

    assert asyncio.run(scenario()) == []


def test_a_terminal_gets_a_line_for_every_stage_and_tenth() -> None:
    stream = io.StringIO()
    lines = ProgressLines(stream)
    for step in range(101):
        lines.report({"stage": "drawing", "progress": step / 100})
    lines.report({"stage": "saving", "progress": 1.0})
    lines.report({"status": "preparing"})
    shown = stream.getvalue().splitlines()
    assert [line.split() for line in shown[:2]] == [["drawing", "0", "%"], ["drawing", "10", "%"]]
    assert [line.split()[:2] for line in shown[10:]] == [["drawing", "100"], ["saving", "100"], ["preparing", "0"]]
