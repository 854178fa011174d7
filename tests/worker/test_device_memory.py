"""A worker whose device has run out of memory twice: what it still does, and what it does no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint, error_of
from tests.worker.odd_device import GO_ON, HELD_FRAMES, TOO_LARGE_FRAMES
from tests.worker.paid_voice import wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker

ODD_DEVICE = Path(__file__).with_name("odd_device.py")


def worker_of(queue: QueueStandIn, ground: Ground, pod: str, slots: int) -> Worker:
    return Worker(queue, ground, pod, {"PYTHONPATH": str(REPOSITORY), "MAX_CONCURRENCY": str(slots)}, ODD_DEVICE)


@pytest.fixture(scope="module")
def queue() -> Iterator[QueueStandIn]:
    """Its polls are short, because a worker that leaves lets its last ones end."""
    with QueueStandIn(hold_seconds=1) as queue:
        yield queue


@pytest.fixture(scope="module")
def too_large(ground: Ground) -> dict[str, str]:
    """A job that the device has no memory for."""
    return {"text": "No.", "avatar_video_path": str(talking_head(ground.avatars / "large.mp4", TOO_LARGE_FRAMES))}


@pytest.fixture(scope="module")
def held(ground: Ground) -> dict[str, str]:
    """A job that runs until it is let go on."""
    return {"text": "Yes.", "avatar_video_path": str(talking_head(ground.avatars / "held.mp4", HELD_FRAMES))}


def stops_pod(queue: QueueStandIn, job_id: str) -> list[bool]:
    """Of each result of the job, whether it asks for another worker in this one's place."""
    return ["stopPod" in post.body for post in queue.posts(job_id) if not post.is_progress]


def failed(endpoint: Endpoint, job_id: str) -> None:
    error = error_of(endpoint.ended(job_id))
    assert (error["code"], error["retryable"]) == ("gpu_memory_full", True)


def test_the_other_job_completes_and_its_result_asks_for_the_refresh(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground, too_large: dict[str, str], held: dict[str, str]
) -> None:
    with worker_of(queue, ground, "two-slots", 2) as worker:
        other = endpoint.run(held)
        wait_for(lambda: bool(queue.handed_to(other)))
        unlucky = endpoint.run(too_large)
        failed(endpoint, unlucky)
        late = endpoint.run({"action": "status"})
        (ground.folder / GO_ON).touch()
        assert endpoint.ended(other)["status"] == "COMPLETED"
        assert (stops_pod(queue, unlucky), stops_pod(queue, other)) == ([False], [True])
        assert worker.exit_code() == 0
        assert queue.handed_to(late) == ()
        assert "Traceback" not in worker.log()
        endpoint.cancel(late)


def test_alone_the_failed_job_s_own_result_asks_for_it(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground, too_large: dict[str, str]
) -> None:
    with worker_of(queue, ground, "one-slot", 1) as worker:
        job_id = endpoint.run(too_large)
        failed(endpoint, job_id)
        assert stops_pod(queue, job_id) == [True]
        assert worker.exit_code() == 0


def test_a_job_that_a_poll_still_brings_is_done_before_the_refresh(
    ground: Ground, too_large: dict[str, str], held: dict[str, str]
) -> None:
    """A free slot has the SDK wait for a job with its poll; at a concurrency of 0 that job would never begin."""
    (ground.folder / GO_ON).unlink(missing_ok=True)
    with (
        QueueStandIn(hold_seconds=60) as queue,
        closing(Endpoint(queue)) as endpoint,
        worker_of(queue, ground, "eight-slots", 8),
    ):
        other = endpoint.run(held)
        wait_for(lambda: bool(queue.handed_to(other)))
        unlucky = endpoint.run(too_large)
        failed(endpoint, unlucky)
        assert endpoint.output({"action": "status"})["status"] == "healthy"
        (ground.folder / GO_ON).touch()
        assert endpoint.ended(other)["status"] == "COMPLETED"
        assert (stops_pod(queue, unlucky), stops_pod(queue, other)) == ([False], [True])
