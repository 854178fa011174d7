"""Who is at a job: takeovers, repeats, idempotency keys and waiting for another run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import IdempotencyConflict, KeepsCrashing
from engine.jobs import LEASE, JobName, Jobs
from engine.outages import TtsUnavailable
from engine.records import Records
from engine.schemas import Generated
from engine.store.local import LocalStore

QUEUED = JobName("job-1", "job-1")


class Clock:
    """A time that moves only when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.while_asleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.while_asleep()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(tmp_path: Path, clock: Clock) -> Jobs:
    return Jobs(Records(LocalStore(tmp_path), clock.now), clock.now, clock.sleep)


def generated(video_key: str = "outputs/s/job-1/video.mp4") -> Generated:
    return Generated(
        session_id="s",
        duration=1.0,
        frames=25,
        video_key=video_key,
        audio_key="a",
        captions_key="c",
        thumbnail_key="t",
        words=[],
        renderer="preview",
        tts_characters=0,
        timings={},
        gpu_seconds=0,
        warnings=[],
    )


def begin(jobs: Jobs, name: JobName = QUEUED, input_hash: str = "h", held: bool = True) -> Generated | None:
    return jobs.begin(name, "s", input_hash, lambda _: held, CancelToken())


def attempt(jobs: Jobs, record_id: str = "job-1") -> tuple[str, int]:
    record = jobs.records.jobs.get(record_id)
    assert record is not None
    return record.state, record.attempt


def test_a_new_job_is_taken_on(jobs: Jobs) -> None:
    assert begin(jobs) is None
    assert attempt(jobs) == ("running", 1)


def test_a_job_that_was_done_has_its_result(jobs: Jobs) -> None:
    begin(jobs)
    assert jobs.done(QUEUED, generated())
    assert begin(jobs) == generated()
    assert attempt(jobs) == ("done", 1)


def test_a_result_that_is_no_longer_held_is_made_again(jobs: Jobs) -> None:
    begin(jobs)
    assert jobs.done(QUEUED, generated())
    assert begin(jobs, held=False) is None
    assert attempt(jobs) == ("running", 2)


def test_the_same_job_with_another_input_starts_afresh(jobs: Jobs) -> None:
    begin(jobs)
    assert jobs.done(QUEUED, generated())
    assert begin(jobs, input_hash="other") is None
    assert attempt(jobs) == ("running", 1)


def test_a_job_that_the_queue_hands_out_again_is_taken_over_at_once(jobs: Jobs, clock: Clock) -> None:
    begin(jobs)
    before = clock.time
    assert begin(jobs) is None
    assert attempt(jobs) == ("running", 2)
    assert clock.time == before


def test_the_third_start_of_a_job_that_never_ends_is_refused(jobs: Jobs) -> None:
    assert (begin(jobs), begin(jobs)) == (None, None)
    with pytest.raises(KeepsCrashing) as caught:
        begin(jobs)
    assert not caught.value.retryable
    # It has an end now, by its caller's wish it begins anew.
    jobs.ended("job-1", caught.value)
    assert (begin(jobs), begin(jobs)) == (None, None)


def test_a_start_whose_worker_was_reclaimed_does_not_count(jobs: Jobs) -> None:
    for _ in range(4):
        jobs.reclaim.asked = False
        assert begin(jobs) is None
        jobs.reclaim.ask()
        assert jobs.beat(QUEUED, "drawing", 0.5)
    jobs.reclaim.asked = False
    assert begin(jobs) is None
    assert begin(jobs) is None
    with pytest.raises(KeepsCrashing):
        begin(jobs)


def test_a_run_that_goes_on_although_the_queue_took_it_for_lost_does_not_count(jobs: Jobs) -> None:
    slow, *others = (JobName("job-1", "job-1") for _ in range(4))
    begin(jobs, slow)
    begin(jobs, others[0])
    for _ in range(2):
        assert jobs.beat(slow, "drawing", 0.9)
    assert begin(jobs, others[1]) is None
    # Said once: it is no third death that was outlived.
    assert jobs.beat(slow, "drawing", 0.9)
    with pytest.raises(KeepsCrashing):
        begin(jobs, others[2])


def test_a_job_is_not_given_up_before_its_other_runs_could_say_that_they_live(jobs: Jobs, clock: Clock) -> None:
    slow, *others = (JobName("job-1", "job-1") for _ in range(3))
    begin(jobs, slow)
    begin(jobs, others[0])

    def beat() -> None:
        jobs.beat(slow, "drawing", 0.9)

    clock.while_asleep = beat
    assert begin(jobs, others[1]) is None


def test_a_run_that_was_overtaken_says_nothing_of_how_far_the_job_is(jobs: Jobs) -> None:
    slow, quick = JobName("job-1", "job-1"), JobName("job-1", "job-1")
    begin(jobs, slow)
    begin(jobs, quick)
    jobs.reclaim.ask()
    jobs.beat(quick, "drawing", 0.2)
    jobs.reclaim.asked = False
    jobs.beat(slow, "saving", 0.9)
    record = jobs.records.jobs.get("job-1")
    assert record is not None
    assert (record.stage, record.progress, record.reclaimed) == ("drawing", 0.2, True)


def test_a_run_knows_whether_the_job_is_still_its_own(jobs: Jobs) -> None:
    slow, quick = JobName("job-1", "job-1"), JobName("job-1", "job-1")
    begin(jobs, slow)
    assert jobs.is_at(slow)
    begin(jobs, quick)
    assert (jobs.is_at(slow), jobs.is_at(quick)) == (False, True)
    # The other one may still be at it, and need what has been bought.
    assert not jobs.done(slow, generated())
    assert (jobs.is_at(slow), jobs.is_at(quick)) == (False, False)


def test_a_failed_job_says_why_and_can_be_tried_again(jobs: Jobs) -> None:
    begin(jobs)
    jobs.ended("job-1", TtsUnavailable("The voice is away."))
    record = jobs.records.jobs.get("job-1")
    assert record is not None
    assert record.error == {"code": "tts_unavailable", "message": "The voice is away.", "retryable": True}
    assert begin(jobs) is None


def test_an_unforeseen_error_is_recorded_without_its_words(jobs: Jobs) -> None:
    begin(jobs)
    jobs.ended("job-1", RuntimeError("a secret"))
    record = jobs.records.jobs.get("job-1")
    assert record is not None
    assert record.error is not None
    assert record.error["code"] == "internal_error"
    assert "secret" not in str(record.error)


def test_the_same_key_finds_the_result_across_job_ids(jobs: Jobs) -> None:
    first, second = (JobName.of_idempotency_key("order-7", queue_id) for queue_id in ("job-1", "job-2"))
    assert begin(jobs, first) is None
    jobs.done(first, generated())
    assert begin(jobs, second) == generated()


def test_the_same_key_with_another_request_is_refused_and_nothing_changes(jobs: Jobs) -> None:
    name = JobName.of_idempotency_key("order-7", "job-1")
    begin(jobs, name)
    jobs.done(name, generated())
    with pytest.raises(IdempotencyConflict):
        begin(jobs, JobName.of_idempotency_key("order-7", "job-2"), input_hash="other")
    assert begin(jobs, name) == generated()


def test_a_second_run_under_the_same_key_waits_for_the_first(jobs: Jobs, clock: Clock) -> None:
    first, second = (JobName.of_idempotency_key("k", queue_id) for queue_id in ("job-1", "job-2"))
    begin(jobs, first)
    naps = 0

    def finish_at_the_third() -> None:
        nonlocal naps
        naps += 1
        if naps == 3:
            jobs.done(first, generated())

    clock.while_asleep = finish_at_the_third
    assert begin(jobs, second) == generated()
    assert naps == 3


def test_a_waiting_run_takes_over_from_one_that_went_silent(jobs: Jobs, clock: Clock) -> None:
    first, second = (JobName.of_idempotency_key("k", queue_id) for queue_id in ("job-1", "job-2"))
    begin(jobs, first)
    began = clock.time
    assert begin(jobs, second) is None
    assert LEASE <= clock.time - began <= LEASE + timedelta(seconds=2)
    assert attempt(jobs, second.record_id) == ("running", 2)


def test_a_heartbeat_keeps_others_waiting(jobs: Jobs, clock: Clock) -> None:
    first, second = (JobName.of_idempotency_key("k", queue_id) for queue_id in ("job-1", "job-2"))
    begin(jobs, first)
    until = clock.time + 3 * LEASE

    def beat_until_done() -> None:
        jobs.beat(first, "drawing", 0.5)
        if clock.time > until:
            jobs.done(first, generated())

    clock.while_asleep = beat_until_done
    assert begin(jobs, second) == generated()
    assert clock.time > until


def test_a_waiting_run_can_be_cancelled(jobs: Jobs, clock: Clock) -> None:
    first, second = (JobName.of_idempotency_key("k", queue_id) for queue_id in ("job-1", "job-2"))
    begin(jobs, first)
    cancel = CancelToken()
    clock.while_asleep = cancel.cancel
    with pytest.raises(Cancelled):
        jobs.begin(second, "s", "h", lambda _: True, cancel)
    assert attempt(jobs, first.record_id) == ("running", 1)


def test_a_key_is_not_readable_from_its_record(jobs: Jobs) -> None:
    name = JobName.of_idempotency_key("alice@example.com", "job-1")
    assert "alice" not in name.record_id


def test_equal_keys_of_two_owners_name_two_jobs() -> None:
    names = {JobName.of_idempotency_key("k", "job-1", owner).record_id for owner in (None, "key:alice", "key:bob")}
    assert len(names) == 3
    assert JobName.of_idempotency_key("k", "job-2", "key:bob").record_id in names
