"""Jobs of a queue that no worker takes from: the test plays the platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import EngineError, IdempotencyConflict, StillRunning
from engine.jobs import JobName
from engine.outages import Interrupted, QueueUnavailable
from engine.schemas import Generated
from engine.store.local import LocalStore
from shim.backends import Made
from shim.errors import GenerationFailed, failure_of
from shim.runpod_backend import RunPodBackend
from shim.settings import ShimSettings
from tests.shim.front import Front
from tests.shim.waiting import wait_until
from tests.worker.queue_faults import Fault
from tests.worker.queue_jobs import JobStatus
from tests.worker.queue_standin import QueueStandIn

LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)

GENERATED = Generated(
    session_id="s",
    duration=1.0,
    frames=25,
    video_key="outputs/s/j/video.mp4",
    audio_key="outputs/s/j/audio.mp3",
    captions_key="outputs/s/j/captions.vtt",
    thumbnail_key="outputs/s/j/thumbnail.jpg",
    words=[],
    renderer="preview",
    tts_characters=6,
    timings={},
    gpu_seconds=0.0,
    warnings=[],
)


@pytest.fixture
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def front(queue: QueueStandIn, store: LocalStore) -> Iterator[Front]:
    with Front(queue, store) as front:
        front.make_ready("s")
        yield front


def told(code: str, retryable: bool) -> str:
    return json.dumps({"code": code, "message": f"It is {code}.", "retryable": retryable, "request_id": "j"})


@pytest.mark.parametrize("begun", [False, True])
def test_the_worker_s_own_error_comes_through(front: Front, queue: QueueStandIn, begun: bool) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    if begun:
        front.begin(job_id, LONG_AGO)
    queue.end(job_id, "FAILED", error=told("audio_silent", False))
    with pytest.raises(GenerationFailed if begun else EngineError) as caught:
        asked.result(10)
    assert isinstance(caught.value, EngineError | GenerationFailed)
    failure = failure_of(caught.value)
    assert (failure.status, failure.code, failure.detail) == (
        500 if begun else 400,
        "audio_silent",
        "It is audio_silent.",
    )
    assert queue.faults.asked["retry"] == 0


def test_an_error_that_only_the_worker_knows_keeps_its_code(front: Front, queue: QueueStandIn) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    queue.end(front.only_job(), "FAILED", error=told("of_next_year", False))
    with pytest.raises(EngineError, match="It is of_next_year") as caught:
        asked.result(10)
    assert (caught.value.code, caught.value.retryable) == ("of_next_year", False)


def test_a_retryable_failure_is_tried_again_once(front: Front, queue: QueueStandIn) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    for tries in (0, 1):
        assert queue.faults.asked["retry"] == tries
        queue.end(job_id, "FAILED", error=told("storage_unavailable", True))
        if tries == 0:
            wait_until(lambda: queue.faults.asked["retry"] == 1)
    with pytest.raises(EngineError) as caught:
        asked.result(10)
    assert (caught.value.code, caught.value.http_status) == ("storage_unavailable", 503)
    assert (queue.faults.asked["retry"], len(queue.inputs())) == (1, 1)


ENDS = [("CANCELLED", "cancelled"), ("TIMED_OUT", "failed"), ("FAILED", "failed"), ("COMPLETED", "failed")]


@pytest.mark.parametrize(("status", "state"), ENDS)
def test_a_job_that_its_worker_could_not_end_has_an_ended_record(
    front: Front, queue: QueueStandIn, status: JobStatus, state: str
) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    front.begin(job_id, LONG_AGO)
    queue.end(job_id, status, error="a worker's traceback" if status == "FAILED" else None)
    with pytest.raises(GenerationFailed) as caught:
        asked.result(10)
    record = front.job(job_id)
    assert record.state == state
    assert record.error is not None
    assert record.error["code"] == caught.value.cause.code
    assert "traceback" not in caught.value.cause.message
    assert queue.faults.asked["retry"] == 0


def test_a_job_that_the_queue_has_lost_is_interrupted(front: Front, queue: QueueStandIn) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    front.begin(job_id, LONG_AGO)
    queue.forget(job_id)
    with pytest.raises(GenerationFailed) as caught:
        asked.result(10)
    assert isinstance(caught.value.cause, Interrupted)
    assert front.job(job_id).state == "failed"


def test_a_worker_that_says_that_it_is_at_work_spares_the_queue_questions(front: Front, queue: QueueStandIn) -> None:
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    front.begin(job_id, datetime.now(UTC) + timedelta(minutes=1))
    before = queue.faults.asked["status"]
    with pytest.raises(TimeoutError):
        asked.result(1.5)
    assert queue.faults.asked["status"] <= before + 1
    front.cancel("asked")


def test_a_queue_that_is_away_for_a_moment_ends_nothing(front: Front, queue: QueueStandIn) -> None:
    queue.faults.plan("status", *[Fault(500)] * 5)
    asked = front.generating(session_id="s", text="Hello.")
    job_id = front.only_job()
    wait_until(lambda: queue.faults.asked["status"] > 5)
    queue.end(job_id, "FAILED", error=told("no_face", False))
    with pytest.raises(EngineError, match="no_face"):
        asked.result(10)


def test_a_job_that_takes_too_long_is_told_with_its_id_and_followed_on(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store, ShimSettings(sync_wait_seconds=0.3)) as front:
        front.make_ready("s")
        with pytest.raises(StillRunning) as caught:
            front.generate(session_id="s", text="Hello.")
        job_id = front.only_job()
        assert (caught.value.job_id, caught.value.http_status) == (job_id, 504)
        front.begin(job_id, LONG_AGO)
        queue.end(job_id, "TIMED_OUT")
        wait_until(lambda: front.job(job_id).state == "failed")


def test_a_key_names_the_record_of_a_job_that_takes_too_long(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store, ShimSettings(sync_wait_seconds=0.1)) as front:
        front.make_ready("s")
        with pytest.raises(StillRunning, match="output_key-") as caught:
            front.generate(session_id="s", text="Hello.", idempotency_key="mine")
        assert (caught.value.job_id or "").startswith("key-")


@pytest.mark.parametrize("named", ["its caller's id", "its record"])
def test_a_job_is_cancelled_by_either_of_its_names(front: Front, queue: QueueStandIn, named: str) -> None:
    asked = front.generating("mine", session_id="s", text="Hello.")
    job_id = front.only_job()
    front.cancel("mine" if named == "its caller's id" else job_id)
    with pytest.raises(Interrupted):
        asked.result(10)
    assert queue.faults.asked["cancel"] == 1


def test_what_doesn_t_run_is_not_cancelled(front: Front, queue: QueueStandIn) -> None:
    for name in ("unknown", "no/record's id"):
        front.cancel(name)
    assert queue.faults.asked["cancel"] == 0


def test_a_new_server_follows_what_the_last_one_left(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store, ShimSettings(sync_wait_seconds=0.1)) as front:
        front.make_ready("s")
        with pytest.raises(StillRunning):
            front.generate(session_id="s", text="Hello.")
        job_id = front.only_job()
        front.begin(job_id, LONG_AGO)
    assert queue.faults.asked["cancel"] == 0
    with Front(queue, store) as front:
        queue.end(job_id, "FAILED", error=told("overloaded", True))
        wait_until(lambda: front.job(job_id).state == "failed")
    assert queue.faults.asked["retry"] == 0


def test_a_queue_that_takes_no_job_is_an_outage(front: Front, queue: QueueStandIn) -> None:
    queue.faults.plan("run", Fault(500))
    with pytest.raises(QueueUnavailable):
        front.generate(session_id="s", text="Hello.")
    assert queue.inputs() == {}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session_id": "none", "text": "Hello."}, "session_not_found"),
        ({"session_id": "s", "text": "  "}, "invalid_text"),
        ({"session_id": "s", "text": "x" * 5_001}, "text_too_long"),
        ({"session_id": "s", "audio_url": "https://127.0.0.1/a.wav"}, "url_not_allowed"),
        ({"avatar_video_path": "/etc/passwd", "text": "Hello."}, "avatar_not_allowed"),
        ({"session_id": "s", "audio_base64": "A" * 10_000_000}, "invalid_input"),
    ],
)
def test_what_can_be_known_at_once_costs_no_job(
    front: Front, queue: QueueStandIn, fields: dict[str, str], code: str
) -> None:
    with pytest.raises(EngineError) as caught:
        front.generate(**fields)
    assert caught.value.code == code
    assert queue.faults.asked["run"] == 0


def test_a_session_that_is_not_ready_costs_no_job(front: Front, queue: QueueStandIn) -> None:
    front.create("new")
    with pytest.raises(EngineError) as caught:
        front.generate(session_id="new", text="Hello.")
    assert caught.value.code == "session_not_ready"
    assert [given["action"] for given in queue.inputs().values()] == ["create_session"]


def test_without_a_bucket_there_is_no_such_backend(store: LocalStore, front: Front) -> None:
    settings = ShimSettings.model_validate({"runpod_endpoint_id": "ep1", "runpod_api_key": "a-key"})
    with pytest.raises(EngineError, match="BUCKET_"):
        RunPodBackend.open(settings, store, front.records)


@pytest.fixture
def video_of_a_key(front: Front) -> str:
    """The record of a video that an earlier job has made under the key `mine`."""
    record_id = JobName.of_idempotency_key("mine", "earlier").record_id
    front.begin(record_id, LONG_AGO)
    done = {"state": "done", "queue_id": "earlier", "result": GENERATED.model_dump(mode="json")}
    front.records.jobs.update(record_id, lambda old: old.model_copy(update=done))
    return record_id


def test_a_key_that_was_answered_gives_its_video(front: Front, queue: QueueStandIn, video_of_a_key: str) -> None:
    asked = front.generating(session_id="s", text="Hello.", idempotency_key="mine")
    queue.end(front.only_job(), "COMPLETED", output={})
    assert asked.result(10) == Made(video_of_a_key, GENERATED)


def test_a_key_that_came_with_another_request_gives_no_video(
    front: Front, queue: QueueStandIn, video_of_a_key: str
) -> None:
    asked = front.generating(session_id="s", text="Another.", idempotency_key="mine")
    queue.end(front.only_job(), "FAILED", error=told("idempotency_conflict", False))
    with pytest.raises(IdempotencyConflict):
        asked.result(10)
    assert front.job(video_of_a_key).state == "done"
