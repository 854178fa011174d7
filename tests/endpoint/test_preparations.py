from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from engine.endpoint.client import RunPodEndpoint
from engine.endpoint.job_state import JobError, JobState, JobStatus
from engine.endpoint.preparations import (
    INTERRUPTED,
    LOOK_AGAIN,
    OUTAGE,
    SILENCE,
    GiveUp,
    Leave,
    Preparations,
    Resubmit,
    Verdict,
    judge,
)
from engine.errors import SessionNotFound
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession, parse_input
from engine.store.local import LocalStore
from tests.endpoint.blocking import Pauses, address_of, plain_client
from tests.endpoint.wire_worker import WireWorker
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import KEY, QueueStandIn

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
NO_FACE = {"code": "no_face", "message": "No face.", "retryable": False}
GONE_JOB = "11111111-0000-0000-0000-000000000000-e1"
ALL_QUEUE_STATUSES: tuple[JobStatus, ...] = (
    "IN_QUEUE",
    "IN_PROGRESS",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMED_OUT",
)


def preparing(session_id: str = "one", **changes: object) -> SessionRecord:
    record = SessionRecord(
        session_id=session_id,
        status="preparing",
        avatar_source="https://example.com/a.mp4",
        input_hash="hash",
        job_id=GONE_JOB,
        heartbeat=START,
        created=START,
        updated=START,
    )
    return record.model_copy(update=changes)


def in_state(status: JobStatus, error: dict[str, object] | None = None) -> JobState:
    return JobState("a", status, error=None if error is None else JobError.model_validate(error))


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    time: datetime = START + SILENCE

    def now(self) -> datetime:
        return self.time


@pytest.mark.parametrize("status", ALL_QUEUE_STATUSES)
def test_who_has_spoken_lately_is_left(status: JobStatus) -> None:
    assert judge(preparing(), START + SILENCE - MOMENT, in_state(status)) == Leave()


@pytest.mark.parametrize("status", ["ready", "error"])
@pytest.mark.parametrize("state", [None, "unknown"])
def test_what_has_ended_is_left(status: str, state: Literal["unknown"] | None) -> None:
    assert judge(preparing(status=status), START + timedelta(days=9), state) == Leave()


@pytest.mark.parametrize(
    ("state", "first", "second"),
    [
        (in_state("IN_QUEUE"), Leave(), Leave()),
        (in_state("IN_PROGRESS"), Leave(), Leave()),
        (None, Resubmit(), INTERRUPTED),
        (in_state("COMPLETED"), Resubmit(), INTERRUPTED),
        (in_state("FAILED", {"code": "internal_error", "message": "x", "retryable": False}), Resubmit(), INTERRUPTED),
        (in_state("FAILED", {"code": "storage_full", "message": "x", "retryable": True}), Resubmit(), INTERRUPTED),
        (in_state("TIMED_OUT", {"code": "interrupted", "message": "x", "retryable": True}), Resubmit(), INTERRUPTED),
        (in_state("FAILED", NO_FACE), GiveUp("no_face", "No face.", False), GiveUp("no_face", "No face.", False)),
        (in_state("CANCELLED"), INTERRUPTED, INTERRUPTED),
        ("unknown", INTERRUPTED, INTERRUPTED),
    ],
)
def test_a_silent_preparation_is_judged_by_its_job(
    state: JobState | Literal["unknown"] | None, first: Verdict, second: Verdict
) -> None:
    now = START + SILENCE
    assert judge(preparing(), now, state) == first
    assert judge(preparing(resubmissions=1), now, state) == second


def test_a_queue_that_is_away_is_waited_for_but_not_for_ever() -> None:
    assert judge(preparing(), START + OUTAGE - MOMENT, "no_answer") == Leave()
    assert judge(preparing(), START + OUTAGE, "no_answer") == INTERRUPTED


@dataclass
class Ground:
    """A store, a queue and a clock; every ``poller`` stands for a process of its own."""

    queue: QueueStandIn
    folder: Path
    clock: Clock = field(default_factory=Clock)
    _endpoints: list[RunPodEndpoint] = field(default_factory=list)

    @property
    def records(self) -> Records:
        return Records(LocalStore(self.folder), self.clock.now)

    def endpoint(self, key: str = KEY, sleep: Callable[[float], None] | None = None) -> RunPodEndpoint:
        endpoint = plain_client(address_of(self.queue, key=key), sleep or Pauses().sleep)
        self._endpoints.append(endpoint)
        return endpoint

    def poller(self, endpoint: RunPodEndpoint | None = None) -> Preparations:
        return Preparations(self.records, endpoint or self.endpoint(), self.clock.now)

    def poller_without_endpoint(self) -> Preparations:
        return Preparations(self.records, None, self.clock.now)

    def close(self) -> None:
        for endpoint in self._endpoints:
            endpoint.close()

    def submit(self) -> str:
        """A job in the queue."""
        return self.endpoint().run({"action": "create_session"}).id

    def write(self, record: SessionRecord) -> SessionRecord:
        assert self.records.sessions.create(record)
        return record

    def read(self, session_id: str = "one") -> SessionRecord:
        record = self.records.sessions.get(session_id)
        assert record is not None
        return record

    def change(self, **changes: object) -> None:
        self.records.sessions.update("one", lambda record: record.model_copy(update=changes))

    def submitted_for(self, session_id: str = "one") -> list[str]:
        """The jobs that were submitted for the session."""
        return [job for job, given in self.queue.inputs().items() if given.get("session_id") == session_id]


@pytest.fixture
def ground(queue: QueueStandIn, tmp_path: Path) -> Iterator[Ground]:
    for job_id in queue.inputs():
        queue.forget(job_id)
    ground = Ground(queue, tmp_path)
    yield ground
    ground.close()


@pytest.fixture
def worker(queue: QueueStandIn) -> Iterator[WireWorker]:
    worker = WireWorker(queue)
    yield worker
    worker.close()


def assert_interrupted(record: SessionRecord) -> None:
    assert (record.status, record.error_code, record.retryable) == ("error", "preparation_interrupted", True)
    assert "again" in record.message


def test_a_preparation_that_speaks_is_not_even_looked_up(ground: Ground) -> None:
    record = ground.write(preparing())
    ground.clock.time = START + SILENCE - MOMENT
    assert ground.poller().settle(record) is record
    assert not ground.queue.faults.asked


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "running"])
def test_a_job_that_the_queue_still_has_is_left(ground: Ground, worker: WireWorker, taken: bool) -> None:
    record = ground.write(preparing(job_id=ground.submit()))
    if taken:
        worker.take()
    assert ground.poller().settle(record) is record
    assert ground.read() == record
    assert ground.submitted_for() == []


def test_a_crowd_of_pollers_asks_the_queue_once_in_a_while(ground: Ground) -> None:
    record = ground.write(preparing(job_id=ground.submit()))
    poller = ground.poller()
    for _ in range(20):
        poller.settle(record)
    assert ground.queue.faults.asked["status"] == 1
    ground.clock.time += LOOK_AGAIN
    poller.settle(record)
    assert ground.queue.faults.asked["status"] == 2


def lose(ground: Ground, job_id: str) -> None:
    ground.queue.forget(job_id)


def fail(ground: Ground, job_id: str) -> None:
    ground.queue.end(job_id, "FAILED", error="job timed out after 1 retries")


def time_out(ground: Ground, job_id: str) -> None:
    ground.queue.end(job_id, "TIMED_OUT")


def complete(ground: Ground, job_id: str) -> None:
    ground.queue.end(job_id, "COMPLETED")


Ending = Callable[[Ground, str], None]


@pytest.mark.parametrize("end", [lose, fail, time_out, complete])
def test_a_lost_preparation_is_submitted_once_more_and_then_given_up(ground: Ground, end: Ending) -> None:
    record = ground.write(preparing(job_id=ground.submit()))
    assert record.job_id is not None
    end(ground, record.job_id)
    resubmitted = ground.poller().settle(record)
    assert [resubmitted.job_id] == ground.submitted_for()
    assert (resubmitted.status, resubmitted.resubmissions, resubmitted.heartbeat) == (
        "preparing",
        1,
        ground.clock.time,
    )
    assert ground.read() == resubmitted

    assert ground.poller().settle(resubmitted) is resubmitted
    ground.clock.time += SILENCE
    assert ground.poller().settle(resubmitted) is resubmitted
    assert resubmitted.job_id is not None
    end(ground, resubmitted.job_id)
    given_up = ground.poller().settle(resubmitted)
    assert_interrupted(given_up)
    assert ground.read() == given_up
    assert len(ground.queue.inputs()) <= 2


def test_the_other_job_is_asked_for_the_same_avatar(ground: Ground) -> None:
    ground.poller().settle(ground.write(preparing()))
    ground.poller().settle(ground.write(preparing("two", avatar_source=None, options={"extra_margin": 3})))
    inputs = [parse_input(given) for given in ground.queue.inputs().values()]
    begun = CreateSession(action="create_session", begun=True)
    assert inputs == [
        begun.model_copy(update={"session_id": "one", "avatar_video_path": "https://example.com/a.mp4"}),
        begun.model_copy(update={"session_id": "two", "extra_margin": 3}),
    ]


def test_a_session_that_never_got_a_job_gets_one(ground: Ground) -> None:
    record = ground.poller().settle(ground.write(preparing(job_id=None)))
    assert [record.job_id] == ground.submitted_for()


def test_an_avatar_that_cannot_be_prepared_is_not_tried_again(ground: Ground) -> None:
    job_id = ground.submit()
    ground.queue.end(job_id, "FAILED", error=json.dumps({**NO_FACE, "request_id": job_id}))
    record = ground.poller().settle(ground.write(preparing(job_id=job_id)))
    assert (record.status, record.error_code, record.message, record.retryable) == (
        "error",
        "no_face",
        "No face.",
        False,
    )
    assert ground.submitted_for() == []


def test_a_cancelled_preparation_is_given_up(ground: Ground) -> None:
    job_id = ground.submit()
    ground.queue.end(job_id, "CANCELLED")
    assert_interrupted(ground.poller().settle(ground.write(preparing(job_id=job_id))))
    assert ground.submitted_for() == []


def test_without_an_endpoint_a_lost_preparation_is_given_up(ground: Ground) -> None:
    record = ground.write(preparing())
    assert_interrupted(ground.poller_without_endpoint().settle(record))
    assert_interrupted(ground.read())


def test_with_a_wrong_key_a_lost_preparation_is_given_up(ground: Ground) -> None:
    record = ground.write(preparing())
    assert_interrupted(ground.poller(ground.endpoint(key="rpa_another")).settle(record))


def test_a_queue_that_is_away_leaves_the_preparation_for_a_while(ground: Ground) -> None:
    record = ground.write(preparing())
    ground.queue.faults.plan("status", *[Fault(502)] * 8)
    poller = ground.poller()
    assert poller.settle(record) is record
    ground.clock.time = START + OUTAGE
    assert_interrupted(poller.settle(record))
    assert ground.submitted_for() == []


@pytest.mark.parametrize("fault", [Fault(401), Fault(502), Fault(429, headers={"Retry-After": "60"})])
def test_a_preparation_that_cannot_be_submitted_is_given_up(ground: Ground, fault: Fault) -> None:
    ground.queue.faults.plan("run", fault)
    record = ground.poller().settle(ground.write(preparing()))
    assert_interrupted(record)
    assert ground.read() == record


def test_of_sixteen_pollers_at_once_one_submits(ground: Ground) -> None:
    record = ground.write(preparing())
    pollers = [ground.poller() for _ in range(16)]
    barrier = threading.Barrier(16)

    def settle(poller: Preparations) -> SessionRecord:
        barrier.wait()
        return poller.settle(record)

    with ThreadPoolExecutor(16) as pool:
        settled = list(pool.map(settle, pollers))
    jobs = ground.submitted_for()
    assert len(jobs) == 1
    assert ground.queue.faults.asked["run"] == 1
    assert {found.status for found in settled} == {"preparing"}
    assert {found.resubmissions for found in settled} == {1}
    assert (ground.read().job_id, ground.read().resubmissions) == (jobs[0], 1)


@pytest.mark.parametrize(
    "changes",
    [{"status": "ready"}, {"status": "error"}, {"heartbeat": START + SILENCE}, {"job_id": "b"}, {"resubmissions": 1}],
)
def test_whoever_went_on_with_the_session_meanwhile_is_not_disturbed(
    ground: Ground, changes: dict[str, object]
) -> None:
    record = ground.write(preparing())
    ground.change(**changes)
    found = ground.read()
    assert ground.poller().settle(record) == found
    assert ground.poller_without_endpoint().settle(record) == found
    assert ground.read() == found
    assert ground.submitted_for() == []


def test_what_else_was_written_meanwhile_is_kept(ground: Ground) -> None:
    record = ground.write(preparing())
    later = START + timedelta(days=1)
    ground.change(expires_at=later)
    settled = ground.poller().settle(record)
    assert (settled.expires_at, settled.resubmissions) == (later, 1)


def test_a_poller_that_dies_before_it_submits_leaves_an_end_all_the_same(ground: Ground) -> None:
    counted = ground.write(preparing(resubmissions=1, heartbeat=ground.clock.time))
    poller = ground.poller()
    assert poller.settle(counted) is counted
    ground.clock.time += SILENCE
    assert_interrupted(poller.settle(counted))


def test_a_deleted_session_stays_deleted(ground: Ground) -> None:
    record = ground.write(preparing())
    ground.records.sessions.delete("one")
    for poller in (ground.poller(), ground.poller_without_endpoint()):
        with pytest.raises(SessionNotFound):
            poller.settle(record)
    assert ground.records.sessions.get("one") is None
    assert ground.submitted_for() == []


def test_a_session_deleted_while_it_is_submitted_gets_no_job(ground: Ground) -> None:
    record = ground.write(preparing())
    ground.queue.faults.plan("run", Fault(503))
    endpoint = ground.endpoint(sleep=lambda seconds: ground.records.sessions.delete("one"))
    with pytest.raises(SessionNotFound):
        ground.poller(endpoint).settle(record)
    (job_id,) = ground.submitted_for()
    cancelled = endpoint.status(job_id)
    assert cancelled is not None
    assert cancelled.status == "CANCELLED"


def test_who_begins_while_another_job_is_submitted_keeps_the_session(ground: Ground) -> None:
    record = ground.write(preparing())
    ground.queue.faults.plan("run", Fault(503))
    begun = {"job_id": "late", "heartbeat": START + SILENCE + MOMENT}
    endpoint = ground.endpoint(sleep=lambda seconds: ground.change(**begun))
    assert ground.poller(endpoint).settle(record) == ground.read()
    assert ground.read().job_id == "late"
