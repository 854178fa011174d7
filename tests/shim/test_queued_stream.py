"""Streams in front of a queue that no worker takes from: the test plays the platform and the worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from engine.errors import EngineError, StillRunning
from engine.store.local import LocalStore
from engine.streams.layout import RunKeys, Segment, StreamState, state_key
from shim.backends import Begun, Fragment, Made, Progress
from shim.errors import GenerationFailed
from shim.settings import ShimSettings
from tests.shim.front import Front, Watching
from tests.shim.test_queue_jobs import GENERATED, LONG_AGO
from tests.shim.waiting import wait_until
from tests.worker.queue_standin import QueueStandIn


class PlayedWorker:
    """Writes a stream as a run of the job does."""

    def __init__(self, store: LocalStore, job_id: str, run: str = "run1") -> None:
        self._store = store
        self._job_id = job_id
        self._keys = RunKeys(job_id, run)

    def tell(self, state: Literal["running", "done", "failed"], parts: int | None = None, segments: int = 0) -> None:
        listed = tuple(Segment(seconds=1.0, url="elsewhere") for _ in range(segments))
        told = StreamState(run=self._keys.run, state=state, parts=parts, segments=listed)
        self._store.put(state_key(self._job_id), told.model_dump_json().encode())

    def init(self) -> None:
        self._store.put(self._keys.init, b"init")

    def part(self, number: int) -> None:
        self._store.put(self._keys.part(number), b"part %d" % number)

    def segment(self, number: int) -> None:
        self._store.put(self._keys.segment(number), b"segment %d" % number)


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


def begun(front: Front, **fields: str) -> tuple[Watching, str]:
    """A stream whose job waits in the queue, and the job's id."""
    watching = front.stream(session_id="s", text="Hello.", **fields)
    first = watching.next()
    assert isinstance(first, Begun)
    return watching, first.record_id


def at_work(front: Front, job_id: str) -> None:
    front.begin(job_id, datetime.now(UTC))


def finish(front: Front, queue: QueueStandIn, job_id: str) -> None:
    done = {"state": "done", "result": GENERATED.model_dump(mode="json")}
    front.records.jobs.update(job_id, lambda old: old.model_copy(update=done))
    queue.end(job_id, "COMPLETED", output={})


def failed(code: str, retryable: bool) -> str:
    return json.dumps({"code": code, "message": f"It is {code}.", "retryable": retryable, "request_id": "j"})


def test_the_job_is_asked_to_store_a_stream_and_its_parts_come_in_order(
    front: Front, queue: QueueStandIn, store: LocalStore
) -> None:
    watching, job_id = begun(front)
    assert queue.inputs()[job_id]["stream"] is True
    at_work(front, job_id)
    worker = PlayedWorker(store, job_id)
    worker.tell("running")
    first = watching.awaited()
    with pytest.raises(TimeoutError):
        first.result(0.3)
    worker.init()
    assert first.result(10) == Fragment(b"init")
    for number in range(3):
        worker.part(number)
        assert watching.fragment() == b"part %d" % number
    worker.tell("done", parts=3)
    finish(front, queue, job_id)
    assert watching.end()[-1] == Made(job_id, GENERATED)


def test_progress_is_the_record_s(front: Front, queue: QueueStandIn, store: LocalStore) -> None:
    watching, job_id = begun(front)
    at_work(front, job_id)
    front.records.jobs.update(job_id, lambda old: old.model_copy(update={"stage": "drawing", "progress": 0.25}))
    while (event := watching.next()) != Progress("drawing", 0.25):
        assert isinstance(event, Progress)
    front.cancel(job_id)


def test_a_video_that_was_finished_before_anybody_looked_comes_in_segments(
    front: Front, queue: QueueStandIn, store: LocalStore
) -> None:
    watching, job_id = begun(front)
    at_work(front, job_id)
    worker = PlayedWorker(store, job_id)
    worker.init()
    for number in range(2):
        worker.segment(number)
    worker.tell("done", parts=9, segments=2)
    finish(front, queue, job_id)
    assert [watching.fragment() for _ in range(3)] == [b"init", b"segment 0", b"segment 1"]
    assert watching.end()[-1] == Made(job_id, GENERATED)


@pytest.mark.parametrize("at_it", [False, True])
def test_a_failure_before_the_first_part_is_the_job_s_own(
    front: Front, queue: QueueStandIn, store: LocalStore, at_it: bool
) -> None:
    watching, job_id = begun(front)
    if at_it:
        front.begin(job_id, LONG_AGO)
        PlayedWorker(store, job_id).tell("failed")
    queue.end(job_id, "FAILED", error=failed("audio_silent", False))
    with pytest.raises(GenerationFailed if at_it else EngineError, match="It is audio_silent"):
        watching.end()


def test_a_job_is_tried_again_while_nothing_was_sent(front: Front, queue: QueueStandIn, store: LocalStore) -> None:
    watching, job_id = begun(front)
    lost = PlayedWorker(store, job_id)
    lost.tell("running")
    lost.tell("failed")
    queue.end(job_id, "FAILED", error=failed("storage_unavailable", True))
    wait_until(lambda: queue.faults.asked["retry"] == 1)
    at_work(front, job_id)
    worker = PlayedWorker(store, job_id, "run2")
    worker.init()
    worker.tell("running")
    assert watching.fragment() == b"init"
    watching.leave()


def test_a_job_is_not_tried_again_once_something_was_sent(front: Front, queue: QueueStandIn, store: LocalStore) -> None:
    watching, job_id = begun(front)
    front.begin(job_id, datetime.now(UTC))
    worker = PlayedWorker(store, job_id)
    worker.tell("running")
    worker.init()
    assert watching.fragment() == b"init"
    told = {"code": "storage_full", "message": "It is storage_full.", "retryable": True}
    front.records.jobs.update(job_id, lambda old: old.model_copy(update={"state": "failed", "error": told}))
    queue.end(job_id, "FAILED", error=failed("storage_full", True))
    with pytest.raises(GenerationFailed, match="It is storage_full") as caught:
        watching.end()
    assert caught.value.cause.retryable
    assert (queue.faults.asked["retry"], queue.faults.asked["cancel"]) == (0, 0)


@pytest.mark.parametrize("how", ["another run", "silence"])
def test_a_lost_worker_breaks_a_stream_that_had_begun(
    front: Front, queue: QueueStandIn, store: LocalStore, how: str
) -> None:
    watching, job_id = begun(front)
    front.begin(job_id, datetime.now(UTC) if how == "another run" else LONG_AGO)
    worker = PlayedWorker(store, job_id)
    worker.tell("running")
    worker.init()
    assert watching.fragment() == b"init"
    if how == "another run":
        PlayedWorker(store, job_id, "run2").tell("running")
    with pytest.raises(GenerationFailed) as caught:
        watching.end()
    assert (caught.value.cause.code, caught.value.cause.retryable) == ("interrupted", True)
    assert queue.faults.asked["cancel"] == 0


@pytest.mark.parametrize("when", ["in the queue", "in the middle"])
def test_leaving_cancels_the_job(front: Front, queue: QueueStandIn, store: LocalStore, when: str) -> None:
    watching, job_id = begun(front)
    if when == "in the middle":
        at_work(front, job_id)
        worker = PlayedWorker(store, job_id)
        worker.tell("running")
        worker.init()
        assert watching.fragment() == b"init"
    watching.leave()
    assert queue.faults.asked["cancel"] == 1


def test_a_stream_that_does_not_begin_in_time_is_told_with_its_id_and_goes_on(
    queue: QueueStandIn, store: LocalStore
) -> None:
    with Front(queue, store, ShimSettings(sync_wait_seconds=0.3)) as front:
        front.make_ready("s")
        watching, job_id = begun(front)
        PlayedWorker(store, job_id).tell("running")
        at_work(front, job_id)
        with pytest.raises(StillRunning) as caught:
            watching.end()
        assert caught.value.job_id == job_id
    assert queue.faults.asked["cancel"] == 0


def test_a_job_that_stored_no_stream_ends_with_its_video(front: Front, queue: QueueStandIn) -> None:
    watching, job_id = begun(front)
    at_work(front, job_id)
    finish(front, queue, job_id)
    assert watching.end()[-1] == Made(job_id, GENERATED)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session_id": "none", "text": "Hello."}, "session_not_found"),
        ({"session_id": "s", "text": "Hello.", "idempotency_key": "x"}, "invalid_input"),
        ({"session_id": "s", "text": "  "}, "invalid_text"),
    ],
)
def test_what_can_be_known_at_once_costs_no_job(
    front: Front, queue: QueueStandIn, fields: dict[str, str], code: str
) -> None:
    with pytest.raises(EngineError) as caught:
        front.stream(**fields).next()
    assert caught.value.code == code
    assert queue.inputs() == {}
