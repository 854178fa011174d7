"""The backend of an endpoint with real workers behind its queue, and nothing shared with them but a bucket."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from engine.errors import EngineError, StillRunning
from engine.store.s3 import S3Store
from engine.streams.layout import StreamState, state_key
from shim.callers import ANYBODY
from shim.errors import GenerationFailed
from shim.files import Outputs
from shim.settings import ShimSettings
from tests.servers.endpoint import S3Endpoint
from tests.shim.front import Front
from tests.shim.waiting import wait_until
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

LONG_TEXT = "This sentence is spoken again and again, so that its video takes a while. " * 30


@pytest.fixture(scope="module")
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


@pytest.fixture(scope="module")
def bucket(moto: S3Endpoint) -> WorkersBucket:
    return WorkersBucket.on(moto)


@pytest.fixture(scope="module")
def store(bucket: WorkersBucket) -> S3Store:
    return S3Store(bucket.settings)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path) -> Ground:
    return Ground(tmp_path_factory.mktemp("machine"), tiny_avatar).make()


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, bucket: WorkersBucket, ground: Ground) -> Iterator[Worker]:
    with Worker(queue, ground, "pod1", {**bucket.environment(), "MAX_CONCURRENCY": "4"}) as worker:
        yield worker


@pytest.fixture(scope="module")
def front(queue: QueueStandIn, store: S3Store, worker: Worker) -> Iterator[Front]:
    with Front(queue, store) as front:
        yield front


@pytest.fixture(scope="module")
def session(front: Front) -> str:
    """A session of the default avatar, ready."""
    front.create("ready")
    assert front.session("ready").status in ("preparing", "ready")
    assert front.settled("ready").status == "ready"
    return "ready"


def test_a_session_is_ready_by_the_job_that_its_record_names(front: Front, session: str, queue: QueueStandIn) -> None:
    record = front.session(session)
    assert record.job_id in queue.inputs()
    assert record.avatar is not None
    assert (record.avatar.width, record.avatar.height) == (256, 256)


def test_a_video_is_found_under_the_name_of_its_job(
    front: Front, session: str, queue: QueueStandIn, store: S3Store, tmp_path: Path
) -> None:
    made = front.generate(session_id=session, text="Hello from far away.")
    assert made.record_id == list(queue.inputs())[-1]
    file = Outputs(store, front.records).video(f"output_{made.record_id}.mp4", ANYBODY)
    (tmp_path / "video.mp4").write_bytes(file.read(0, file.size) or b"")
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == made.generated.frames > 0


def test_one_call_makes_the_session_and_the_video(front: Front) -> None:
    made = front.generate(avatar_video_path=None, text="Hi.")
    assert front.session(made.generated.session_id).status == "ready"


def test_a_failure_before_the_work_and_one_after_it_began_have_their_codes(front: Front, session: str) -> None:
    with pytest.raises(EngineError) as before:
        front.generate(session_id=session, audio_base64="!")
    assert (before.value.code, before.value.http_status) == ("audio_unreadable", 400)
    with pytest.raises(GenerationFailed) as after:
        front.generate(session_id=session, audio_base64=base64.b64encode(b"no sound").decode())
    assert after.value.cause.code == "audio_unreadable"


def test_an_avatar_that_only_the_worker_can_refuse_ends_in_the_session_s_status(front: Front) -> None:
    began = time.monotonic()
    front.create("missing", "missing.mp4")
    record = front.settled("missing")
    assert (record.status, record.error_code) == ("error", "avatar_not_found")
    assert time.monotonic() - began < 20


def test_a_video_that_takes_too_long_is_found_later(
    front: Front, session: str, queue: QueueStandIn, store: S3Store
) -> None:
    with Front(queue, store, ShimSettings(sync_wait_seconds=0.2)) as hurried, pytest.raises(StillRunning) as caught:
        hurried.generate(session_id=session, text="A little longer than you want to wait.")
    job_id = caught.value.job_id or ""
    wait_until(lambda: (record := front.records.jobs.get(job_id)) is not None and record.state == "done", 30)
    assert Outputs(store, front.records).video(f"output_{job_id}.mp4", ANYBODY).size > 0


def test_cancelling_stops_the_worker(front: Front, session: str, ground: Ground) -> None:
    asked = front.generating("long", session_id=session, text=LONG_TEXT)
    wait_until(lambda: "running" in states(front), 30)
    front.cancel("long")
    with pytest.raises(GenerationFailed) as caught:
        asked.result(30)
    assert caught.value.cause.code == "interrupted"
    wait_until(lambda: "running" not in states(front) and not ground.half_made())


def test_deleting_a_session_stops_its_video(
    front: Front, session: str, bucket: WorkersBucket, queue: QueueStandIn
) -> None:
    front.create("brief")
    assert front.settled("brief").status == "ready"
    asked = front.generating("brief", session_id="brief", text=LONG_TEXT)
    wait_until(lambda: "running" in states(front), 30)
    front.delete("brief")
    with pytest.raises(GenerationFailed) as caught:
        asked.result(30)
    assert caught.value.cause.code == "session_not_found"
    wait_until(lambda: not [key for key in bucket.stored() if "/brief" in key])


def test_health_and_polls_cost_no_job(front: Front, session: str, queue: QueueStandIn) -> None:
    before = len(queue.inputs())
    for _ in range(5):
        front.session(session)
        health = front.health()
    assert (health.device, health.cuda_available, health.models_loaded) == ("cpu", False, True)
    assert (health.status, health.renderer) == ("healthy", "preview")
    assert health.workers is not None
    assert sum(health.workers.values()) > 0
    assert len(queue.inputs()) == before
    assert queue.faults.asked["health"] <= 2


def test_two_servers_serve_the_same_sessions(front: Front, session: str, queue: QueueStandIn, store: S3Store) -> None:
    with Front(queue, store) as other:
        assert other.session(session) == front.session(session)
        made = other.generate(session_id=session, text="Hi.")
        assert Outputs(store, front.records).audio(f"audio_{made.record_id}.mp3", ANYBODY).size > 0
        front.create("shared")
        other.create("shared")
        assert other.settled("shared").status == "ready"
        creations = [given for given in queue.inputs().values() if given.get("session_id") == "shared"]
        assert len(creations) == 1


def test_a_job_whose_worker_died_is_finished_by_another(moto: S3Endpoint, tmp_path: Path, tiny_avatar: Path) -> None:
    bucket = WorkersBucket.on(moto)
    ground = Ground(tmp_path, tiny_avatar).make()

    def in_a_minute() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=1)

    with QueueStandIn() as queue, Front(queue, S3Store(bucket.settings), now=in_a_minute) as front:
        with Worker(queue, ground, "dies", bucket.environment()) as worker:
            front.create("s")
            assert front.settled("s").status == "ready"
            asked = front.generating(session_id="s", text=LONG_TEXT[:300])
            wait_until(lambda: "running" in states(front), 30)
            worker.kill()
        job_id = list(queue.inputs())[-1]
        queue.hand_out_again(job_id)
        with Worker(queue, ground, "comes", bucket.environment()):
            assert asked.result(60).record_id == job_id
        assert queue.handed_to(job_id) == ("dies", "comes")
        assert front.job(job_id).attempt == 2


def test_a_stream_whose_worker_died_breaks_and_its_video_is_made_by_another(
    moto: S3Endpoint, tmp_path: Path, tiny_avatar: Path
) -> None:
    bucket = WorkersBucket.on(moto)
    store = S3Store(bucket.settings)
    ground = Ground(tmp_path, tiny_avatar).make()
    with QueueStandIn() as queue, Front(queue, store) as front:
        with Worker(queue, ground, "dies", bucket.environment()) as worker:
            front.create("s")
            assert front.settled("s").status == "ready"
            watching = front.stream(session_id="s", text=LONG_TEXT[:300])
            assert watching.fragment()[4:8] == b"ftyp"
            worker.kill()
        job_id = list(queue.inputs())[-1]
        lost = stream_of(store, job_id)
        queue.hand_out_again(job_id)
        with Worker(queue, ground, "comes", bucket.environment()):
            with pytest.raises(GenerationFailed, match="another has begun it anew"):
                watching.end()
            wait_until(lambda: front.job(job_id).state == "done", 60)
        whole = stream_of(store, job_id)
        assert (lost.state, whole.state) == ("running", "done")
        assert lost.run != whole.run
        assert front.job(job_id).attempt == 2


def stream_of(store: S3Store, job_id: str) -> StreamState:
    found = store.get(state_key(job_id))
    assert found is not None
    return StreamState.model_validate_json(found.body)


def states(front: Front) -> set[str]:
    return {record.state for record in front.records.jobs.list()}


PROGRAM = """
import sys, time
began = time.monotonic()
import shim.app, shim.runpod_backend, engine.store.s3
print(f"{time.monotonic() - began:.2f} s", file=sys.stderr)
print(sorted({"torch", "cv2", "av", "onnxruntime", "skimage", "runpod"} & set(sys.modules)))
"""


def test_it_loads_nothing_that_reads_or_draws_pictures() -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    print("The API in front of an endpoint is imported in", finished.stderr.strip())
    assert finished.stdout.strip() == "[]"
