"""A job that two workers run at the same time: the queue took the first for lost, and it was only slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers.endpoint import S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket


@dataclass
class SlowWorker:
    """A worker that waits for its bucket while ``held``, and whose bucket then fails it if a fault was added."""

    bucket: WorkersBucket
    proxy: FaultyProxy
    worker: Worker
    waits: threading.Event
    go_on: threading.Event

    def hold_at(self, name: str) -> None:
        self.waits.clear()
        self.go_on.clear()
        self.proxy.faults.append(Fault("PUT", "lose answer", name, then=self._hold))

    def _hold(self) -> None:
        self.waits.set()
        self.go_on.wait(20)

    def has_ended(self, job_id: str) -> bool:
        return self.worker.has_logged("Finished.", job_id)


@pytest.fixture(scope="module")
def slow(moto: S3Endpoint, queue: QueueStandIn, ground: Ground) -> Iterator[SlowWorker]:
    bucket = WorkersBucket.on(moto)
    with faulty_proxy(moto.port) as proxy:
        settings = {**bucket.environment(proxy.url), "MAX_CONCURRENCY": "1"}
        with Worker(queue, ground, "slow", settings) as worker:
            yield SlowWorker(bucket, proxy, worker, threading.Event(), threading.Event())


@pytest.mark.parametrize("fails", [False, True], ids=["that ends well", "that fails"])
def test_the_slow_run_takes_nothing_from_the_other(
    slow: SlowWorker, queue: QueueStandIn, endpoint: Endpoint, tmp_path: Path, tiny_avatar: Path, fails: bool
) -> None:
    session_id = endpoint.output({"action": "create_session"})["session_id"]
    slow.hold_at("audio.mp3")
    job_id = endpoint.run({"session_id": session_id, "text": "Twice at once."})
    with ExitStack() as released:
        released.callback(slow.go_on.set)
        assert slow.waits.wait(20)
        queue.hand_out_again(job_id)
        with Worker(queue, Ground(tmp_path, tiny_avatar).make(), "quick", slow.bucket.environment()):
            output = endpoint.ended(job_id)["output"]
        before = slow.bucket.stored(f"outputs/{session_id}/").keys()
        if fails:
            slow.proxy.faults.append(Fault("PUT", "refuse", "video.mp4", 403, "AccessDenied"))
    wait_for(lambda: slow.has_ended(job_id))
    assert queue.handed_to(job_id) == ("slow", "quick")
    assert slow.bucket.stored(f"outputs/{session_id}/").keys() == before
    assert httpx.get(output["video_url"]).status_code == 200
    assert endpoint.status(job_id)["output"] == output
    queue.hand_out_again(job_id)
    again = endpoint.ended(job_id)["output"]
    assert (again["video_key"], again["words"]) == (output["video_key"], output["words"])


def test_a_slow_preparation_that_fails_leaves_the_session_ready(
    slow: SlowWorker, queue: QueueStandIn, endpoint: Endpoint, ground: Ground, tmp_path: Path, tiny_avatar: Path
) -> None:
    avatar = talking_head(ground.avatars / "other.mp4", 20)
    slow.hold_at("/avatars/")
    job_id = endpoint.run({"action": "create_session", "session_id": "twice", "avatar_video_path": str(avatar)})
    with ExitStack() as released:
        released.callback(slow.go_on.set)
        assert slow.waits.wait(20)
        queue.hand_out_again(job_id)
        settings = {**slow.bucket.environment(), "AVATAR_DIRS": str(ground.avatars)}
        with Worker(queue, Ground(tmp_path, tiny_avatar).make(), "quick", settings):
            assert endpoint.ended(job_id)["output"]["status"] == "ready"
        slow.proxy.faults.append(Fault("PUT", "refuse", "/avatars/", 403, "AccessDenied"))
    wait_for(lambda: slow.has_ended(job_id))
    assert queue.handed_to(job_id) == ("slow", "quick")
    assert not slow.proxy.faults
    status = endpoint.output({"action": "status", "session_id": "twice"})
    assert (status["status"], status["progress"]) == ("ready", 1.0)
    assert endpoint.output({"session_id": "twice", "text": "Still here."})["frames"] > 0
