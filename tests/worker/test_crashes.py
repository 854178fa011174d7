"""Jobs that kill their workers, hang them or break their devices, and workers that are merely slow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint, error_of
from tests.worker.odd_device import (
    BREAKING_FRAMES,
    DEADLY_FRAMES,
    ENDLESS_FRAMES,
    GO_ON,
    HANGING_FRAMES,
    HELD_FRAMES,
    SLOW_FRAMES,
    SLOW_SECONDS,
)
from tests.worker.paid_voice import wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.test_device_memory import ODD_DEVICE, stops_pod
from tests.worker.worker_process import REPOSITORY, Ground, Worker
from worker.watchdog import HUNG

BEAT_SECONDS = 3.5
STALL_SECONDS = 3


@pytest.fixture(scope="module")
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn(hold_seconds=60) as queue:
        yield queue


def odd_worker(queue: QueueStandIn, ground: Ground, pod: str, **settings: str) -> Worker:
    return Worker(queue, ground, pod, {"PYTHONPATH": str(REPOSITORY), **settings}, ODD_DEVICE)


def job(ground: Ground, frames: int) -> dict[str, str]:
    avatar = ground.avatars / f"{frames}.mp4"
    return {"text": "Yes.", "avatar_video_path": str(avatar if avatar.exists() else talking_head(avatar, frames))}


def was_handed_to(queue: QueueStandIn, job_id: str, pod: str) -> bool:
    return pod in queue.handed_to(job_id)


def video_folders(ground: Ground) -> set[Path]:
    return {Path(key).parent for key in ground.stored("outputs/")}


def test_a_job_that_kills_its_workers_fails_fast_on_its_third_start(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground
) -> None:
    before = video_folders(ground)
    job_id = endpoint.run(job(ground, DEADLY_FRAMES))
    for number in range(2):
        with odd_worker(queue, ground, f"dies{number}") as worker:
            assert worker.exit_code() == -9
        queue.hand_out_again(job_id)
    with odd_worker(queue, ground, "survives"):
        error = error_of(endpoint.ended(job_id))
        assert (error["code"], error["retryable"]) == ("keeps_crashing", False)
        assert endpoint.output({"action": "status"})["status"] == "healthy"
    assert queue.handed_to(job_id) == ("dies0", "dies1", "survives")
    assert video_folders(ground) == before
    assert '"state":"failed"' in (ground.store / f"jobs/{job_id}.json").read_text()


def test_a_job_whose_hosts_are_reclaimed_is_no_such_job(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground
) -> None:
    (ground.folder / GO_ON).unlink(missing_ok=True)
    job_id = endpoint.run(job(ground, HELD_FRAMES))
    for number in range(2):
        with odd_worker(queue, ground, f"reclaimed{number}") as worker:
            wait_for(partial(was_handed_to, queue, job_id, worker.pod))
            worker.terminate()
            time.sleep(BEAT_SECONDS)
            assert worker.is_running
        queue.hand_out_again(job_id)
    (ground.folder / GO_ON).touch()
    with odd_worker(queue, ground, "finishes"):
        assert endpoint.ended(job_id)["status"] == "COMPLETED"


def test_a_hung_stage_ends_its_worker_and_a_slow_one_does_not(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground
) -> None:
    with odd_worker(queue, ground, "hangs", DRAWING_STALL_SECONDS=str(STALL_SECONDS)) as worker:
        slow = endpoint.output(job(ground, SLOW_FRAMES))
        assert slow["frames"] * SLOW_SECONDS > STALL_SECONDS
        job_id = endpoint.run(job(ground, HANGING_FRAMES))
        assert worker.exit_code() == HUNG
        assert "odd_device.py" in worker.log()
        assert f"The job {job_id} hangs in 'drawing'" in worker.log()
        last_ping = len(queue.pings())
        time.sleep(1.5)
        assert len(queue.pings()) == last_ping, "its heartbeat has to end with it"
    assert not [post for post in queue.posts(job_id) if not post.is_progress]
    assert_done_by_another(queue, endpoint, ground, job_id)


def test_a_hung_preparation_ends_its_worker_too(queue: QueueStandIn, endpoint: Endpoint, ground: Ground) -> None:
    with odd_worker(queue, ground, "prepares", STALL_SECONDS=str(STALL_SECONDS)) as worker:
        job_id = endpoint.run(job(ground, ENDLESS_FRAMES))
        assert worker.exit_code() == HUNG
        assert f"The job {job_id} hangs in 'finding the face'" in worker.log()
    assert_done_by_another(queue, endpoint, ground, job_id)


def assert_done_by_another(queue: QueueStandIn, endpoint: Endpoint, ground: Ground, job_id: str) -> None:
    """By a worker whose device does nothing odd."""
    queue.hand_out_again(job_id)
    with Worker(queue, ground, f"after-{job_id[:8]}"):
        assert endpoint.ended(job_id)["status"] == "COMPLETED"


def test_a_device_that_fails_fails_its_job_retryably_and_asks_for_another_worker(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground
) -> None:
    with odd_worker(queue, ground, "breaks", MAX_CONCURRENCY="1") as worker:
        job_id = endpoint.run(job(ground, BREAKING_FRAMES))
        error = error_of(endpoint.ended(job_id))
        assert (error["code"], error["retryable"]) == ("gpu_failed", True)
        assert stops_pod(queue, job_id) == [True]
        assert worker.exit_code(10) == 0
