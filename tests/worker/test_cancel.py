"""A job cancelled in each of its stages, on a bucket: it says nothing more, leaves nothing, and the next one begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from httpx import HTTPStatusError

from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.servers.endpoint import S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import SENTENCE, account, wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

LONG = SENTENCE * 60


@pytest.fixture(scope="module")
def bucket(moto: S3Endpoint) -> WorkersBucket:
    return WorkersBucket.on(moto)


@pytest.fixture(scope="module")
def proxy(moto: S3Endpoint) -> Iterator[FaultyProxy]:
    """Between the worker and its bucket."""
    with faulty_proxy(moto.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def worker(
    queue: QueueStandIn, ground: Ground, elevenlabs: ElevenLabsServer, bucket: WorkersBucket, proxy: FaultyProxy
) -> Iterator[Worker]:
    """A worker that takes one job at a time: the next begins only when a cancelled one has left."""
    settings = {**account(elevenlabs), **bucket.environment(proxy.url), "MAX_CONCURRENCY": "1"}
    with Worker(queue, ground, "pod1", settings) as worker:
        yield worker


@pytest.fixture(scope="module")
def session(endpoint: Endpoint, worker: Worker) -> str:
    return str(endpoint.output({"action": "create_session"})["session_id"])


@dataclass
class Scene:
    """What a cancelled job must not change."""

    endpoint: Endpoint
    queue: QueueStandIn
    ground: Ground
    bucket: WorkersBucket
    session: str

    def __post_init__(self) -> None:
        self.before = self.kept()

    def kept(self) -> dict[str, str]:
        """What only a job that ends well may write."""
        stored = self.bucket.stored()
        return {key: stored[key] for key in stored if key.startswith(("outputs/", "avatars/"))}

    def cancel(self, job_id: str) -> None:
        assert self.endpoint.cancel(job_id)["status"] == "CANCELLED"

    def assert_silent(self, job_id: str) -> None:
        assert [post.body for post in self.queue.posts(job_id) if not post.is_progress] == []
        assert self.endpoint.status(job_id)["status"] == "CANCELLED"

    def assert_clean_after(self, job_id: str) -> None:
        """The next job runs well, and that the worker takes it shows that the cancelled one has left."""
        assert self.endpoint.output({"action": "status"})["status"] == "healthy"
        assert self.kept() == self.before
        assert self.ground.half_made() == set()
        assert self.ground.stored() == set()
        self.assert_silent(job_id)
        assert self.endpoint.output({"session_id": self.session, "text": "Next."})["frames"] == 8


@pytest.fixture
def scene(endpoint: Endpoint, queue: QueueStandIn, ground: Ground, bucket: WorkersBucket, session: str) -> Scene:
    return Scene(endpoint, queue, ground, bucket, session)


@pytest.mark.parametrize("behaviour", [Behaviour.HANG, Behaviour.STALL])
def test_while_speech_is_awaited_or_bought(
    scene: Scene, endpoint: Endpoint, elevenlabs: ElevenLabsServer, behaviour: Behaviour
) -> None:
    elevenlabs.hung_up.clear()
    elevenlabs.script(behaviour)
    purchases = len(elevenlabs.requests)
    job_id = endpoint.run({"session_id": scene.session, "text": SENTENCE})
    wait_for(lambda: len(elevenlabs.requests) > purchases)
    scene.cancel(job_id)
    assert elevenlabs.hung_up.wait(5)
    scene.assert_clean_after(job_id)
    assert len(elevenlabs.requests) == purchases + 2


def test_while_the_avatar_is_prepared(scene: Scene, endpoint: Endpoint, ground: Ground) -> None:
    avatar = talking_head(ground.avatars / "long.mp4", 1_000)
    job_id = endpoint.run({"text": "Hello.", "avatar_video_path": str(avatar)})
    session_id = endpoint.in_progress(job_id, lambda told: told.get("stage") == "finding the face")["session_id"]
    scene.cancel(job_id)
    scene.assert_clean_after(job_id)
    assert endpoint.output({"action": "status", "session_id": session_id})["status"] == "error"


def test_while_the_video_is_drawn(scene: Scene, endpoint: Endpoint, ground: Ground) -> None:
    job_id = endpoint.run({"session_id": scene.session, "text": LONG})
    endpoint.in_progress(job_id, lambda told: told.get("stage") == "drawing")
    assert ground.half_made()
    scene.cancel(job_id)
    scene.assert_clean_after(job_id)


@pytest.mark.parametrize(("policy", "shown"), [("executionTimeout", "TIMED_OUT"), ("ttl", None)])
def test_when_its_time_has_run_out(
    scene: Scene, endpoint: Endpoint, worker: Worker, ground: Ground, policy: str, shown: str | None
) -> None:
    job_id = endpoint.run({"session_id": scene.session, "text": LONG}, policy={policy: 1_500})
    endpoint.in_progress(job_id, lambda told: told.get("stage") == "drawing")
    wait_for(lambda: worker.has_logged("Stopping job.", job_id))
    assert endpoint.output({"action": "status"})["status"] == "healthy"
    assert not worker.has_logged("Finished.", job_id)
    assert ground.half_made() == set()
    assert scene.kept() == scene.before
    if shown is None:
        with pytest.raises(HTTPStatusError, match="404"):
            endpoint.status(job_id)
    else:
        assert endpoint.status(job_id)["status"] == shown


@dataclass
class HeldAnswer:
    """The bucket has taken an object of the job, and the worker waits for the answer until ``go_on``."""

    waits: threading.Event
    go_on: threading.Event

    @classmethod
    def to_put(cls, proxy: FaultyProxy, name: str) -> HeldAnswer:
        held = cls(threading.Event(), threading.Event())
        proxy.faults.append(Fault("PUT", "lose answer", name, then=held.hold))
        return held

    def hold(self) -> None:
        self.waits.set()
        self.go_on.wait(20)


def cancelled_at_put(scene: Scene, worker: Worker, proxy: FaultyProxy, name: str) -> str:
    """A job that is told to stop while it writes its ``name``."""
    held = HeldAnswer.to_put(proxy, name)
    job_id = scene.endpoint.run({"session_id": scene.session, "text": "Hello."})
    assert held.waits.wait(20)
    assert any(key.endswith(name) for key in scene.kept())
    scene.cancel(job_id)
    wait_for(lambda: worker.has_logged("Stopping job.", job_id))
    held.go_on.set()
    return job_id


@pytest.mark.parametrize("name", ["note.json", "audio.mp3", "video.mp4"])
def test_while_speech_and_outputs_are_saved(scene: Scene, worker: Worker, proxy: FaultyProxy, name: str) -> None:
    scene.assert_clean_after(cancelled_at_put(scene, worker, proxy, name))


def test_too_late_with_the_result_published(
    scene: Scene, endpoint: Endpoint, worker: Worker, proxy: FaultyProxy, bucket: WorkersBucket
) -> None:
    """Nothing is posted, and the result is whole: it goes with its session."""
    before = scene.kept()
    job_id = cancelled_at_put(scene, worker, proxy, "result.json")
    assert endpoint.output({"action": "status"})["status"] == "healthy"
    made = {key.rpartition("/")[2] for key in scene.kept().keys() - before.keys()}
    assert made == {"video.mp4", "audio.mp3", "captions.vtt", "captions.srt", "thumbnail.jpg", "result.json"}
    scene.assert_silent(job_id)
