"""worker/polling.py: what becomes of polls when the queue is gone, and when the machine has slept."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.endpoint import S3Endpoint
from tests.servers.wire import wire
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket
from worker.polling import AWAY_SECONDS, Pauses, Polling


def test_after_a_snapshot_with_dead_connections_the_next_job_is_done_at_once(
    ground: Ground, radosgw: S3Endpoint
) -> None:
    """To the queue and to the bucket."""
    with (
        QueueStandIn(hold_seconds=60) as queue,
        wire(queue.address) as line,
        wire(radosgw.url) as to_bucket,
        closing(Endpoint(queue)) as endpoint,
    ):
        ways = queue.worker_environment("slept")
        through = {name: value.replace(queue.address, line.address) for name, value in ways.items()}
        bucket = WorkersBucket.on(radosgw).environment(to_bucket.address)
        with Worker(queue, ground, "slept", {**through, **bucket}) as worker:
            session = endpoint.output({"action": "create_session"})["session_id"]
            time.sleep(0.5)
            worker.freeze()
            for dead in (line, to_bucket):
                dead.deafen()
            queue.forget_polls()
            time.sleep(AWAY_SECONDS + 1)
            worker.thaw()
            began = time.monotonic()
            assert endpoint.output({"session_id": session, "text": "Yes."})["frames"]
            assert time.monotonic() - began < 8


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system doesn't tell what a process uses")
def test_a_worker_whose_queue_is_gone_waits_for_it_without_burning_a_core(ground: Ground) -> None:
    with QueueStandIn() as queue, Worker(queue, ground, "left") as worker:
        queue.refuse_connections()
        time.sleep(0.5)
        lines, used = len(worker.log().splitlines()), worker.processor_seconds()
        time.sleep(4)
        assert worker.processor_seconds() - used < 0.5
        assert len(worker.log().splitlines()) - lines < 30
        assert worker.is_running


def test_a_queue_that_holds_no_poll_is_asked_twice_a_second() -> None:
    async def run() -> int:
        asked = 0

        async def nothing() -> None:
            nonlocal asked
            asked += 1

        polling = Polling(lambda: 0)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            await polling.jobs(nothing)
        return asked

    assert asyncio.run(run()) < 12


def test_a_second_signal_while_the_process_ends_does_no_harm() -> None:
    async def nothing() -> None:
        return None

    polling = Polling(lambda: 0)
    asyncio.run(polling.jobs(nothing))
    polling.leave(lambda: None)
    assert polling.leaving


def test_a_pause_grows_and_begins_anew_after_success() -> None:
    pauses = Pauses(0.5, 3.0)
    assert [pauses.after_failure() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    pauses.reset()
    assert pauses.after_failure() == 0.5
