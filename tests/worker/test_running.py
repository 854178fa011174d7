"""Jobs while they run: their progress, and being cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker

SENTENCE = "It was the best of times, it was the worst of times, it was the age of wisdom. "


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, ground: Ground) -> Iterator[Worker]:
    """A worker that takes one job at a time: the next begins only when a cancelled one has left."""
    with Worker(queue, ground, "pod1", {"MAX_CONCURRENCY": "1"}) as worker:
        yield worker


@pytest.fixture
def long_avatar(ground: Ground) -> str:
    return str(talking_head(ground.avatars / "long.mp4", 1_000))


def shares(queue: QueueStandIn, job_id: str) -> list[float]:
    return [post.body["output"]["progress"] for post in queue.posts(job_id) if post.is_progress]


def drawing(progress: dict[str, Any]) -> bool:
    return progress.get("stage") == "drawing"


def wait_until_stopped(worker: Worker, job_id: str) -> float:
    """Seconds until the SDK has let go of the cancelled job."""
    began = time.monotonic()
    while not worker.has_logged("Job stopped.", job_id):
        assert time.monotonic() - began < 20
        time.sleep(0.05)
    return time.monotonic() - began


def test_progress_comes_in_order_and_ends_before_the_result(
    endpoint: Endpoint, queue: QueueStandIn, worker: Worker
) -> None:
    job_id = endpoint.run({"text": SENTENCE * 8})
    endpoint.in_progress(job_id)
    endpoint.ended(job_id)
    time.sleep(1.2)
    posts = queue.posts(job_id)
    told = shares(queue, job_id)
    assert [post.is_progress for post in posts] == [True] * len(told) + [False]
    assert len(told) >= 3
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1
    assert all({"stage", "progress", "session_id"} <= set(post.body["output"]) for post in posts[:-1])
    # The last update goes out when the job ends, however soon after the one before it.
    pace = [later.at - earlier.at for earlier, later in pairwise(posts[:-2])]
    assert all(seconds > 0.5 for seconds in pace)


def test_creating_a_session_tells_its_id_while_it_prepares(
    endpoint: Endpoint, queue: QueueStandIn, worker: Worker, ground: Ground
) -> None:
    avatar = talking_head(ground.avatars / "medium.mp4", 60)
    job_id = endpoint.run({"action": "create_session", "session_id": "slow", "avatar_video_path": str(avatar)})
    endpoint.ended(job_id)
    first = queue.posts(job_id)[0].body["output"]
    assert (first["session_id"], first["status"]) == ("slow", "preparing")
    assert shares(queue, job_id) == sorted(shares(queue, job_id))


def test_a_cancelled_generate_leaves_nothing_and_the_next_job_begins(
    endpoint: Endpoint, queue: QueueStandIn, worker: Worker, ground: Ground
) -> None:
    session = endpoint.output({"action": "create_session"})["session_id"]
    before = ground.stored("outputs/")
    job_id = endpoint.run({"session_id": session, "text": SENTENCE * 60})
    endpoint.in_progress(job_id, drawing)
    assert ground.half_made()
    assert endpoint.cancel(job_id)["status"] == "CANCELLED"
    assert wait_until_stopped(worker, job_id) < 5
    assert ground.half_made() == set()
    assert ground.stored("outputs/") == before
    assert endpoint.output({"session_id": session, "text": "Next, please."})["session_id"] == session
    assert all(post.is_progress for post in queue.posts(job_id))
    assert endpoint.status(job_id)["status"] == "CANCELLED"


def test_a_cancelled_preparation_leaves_no_avatar_and_a_session_in_error(
    endpoint: Endpoint, queue: QueueStandIn, worker: Worker, ground: Ground, long_avatar: str
) -> None:
    before = ground.stored("avatars/")
    creation = {"action": "create_session", "session_id": "stopped", "avatar_video_path": long_avatar}
    job_id = endpoint.run(creation)
    endpoint.in_progress(job_id)
    assert ground.half_made()
    endpoint.cancel(job_id)
    assert wait_until_stopped(worker, job_id) < 5
    assert ground.half_made() == set()
    assert ground.stored("avatars/") == before
    assert endpoint.output({"action": "status", "session_id": "stopped"})["status"] == "error"
    assert all(post.is_progress for post in queue.posts(job_id))
