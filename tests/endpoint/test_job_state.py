from __future__ import annotations

import json
import logging

import pytest
from pydantic import JsonValue

from engine.endpoint.job_state import (
    JobError,
    JobState,
    JobStatus,
    JsonObject,
    Unreadable,
    read_health,
    read_queued,
    read_state,
)

SDK_ERROR = json.dumps(
    {
        "error_type": "<class 'RuntimeError'>",
        "error_message": "no such file: /root/secret.txt",
        "error_traceback": 'Traceback (most recent call last):\n  File "/app/handler.py", line 7, in handler',
        "hostname": "pod-7",
        "worker_id": "w7",
        "runpod_version": "1.12.0",
    }
)


def failed(error: JsonValue) -> JobState:
    return read_state({"id": "a", "status": "FAILED", "error": error})


def test_a_completed_job_has_its_output_and_its_times() -> None:
    answer: JsonObject = {
        "id": "a-e1",
        "status": "COMPLETED",
        "output": {"video_url": "https://x/y"},
        "delayTime": 812,
        "executionTime": 2500.4,
        "workerId": "w1",
        "somethingNew": 1,
    }
    assert read_state(answer) == JobState("a-e1", "COMPLETED", {"video_url": "https://x/y"}, None, 812, 2500, "w1")


def test_a_running_job_has_its_progress() -> None:
    state = read_state({"id": "a", "status": "IN_PROGRESS", "output": {"progress": 0.5}})
    assert (state.output, state.final) == ({"progress": 0.5}, False)


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("IN_QUEUE", False),
        ("IN_PROGRESS", False),
        ("COMPLETED", True),
        ("FAILED", True),
        ("CANCELLED", True),
        ("TIMED_OUT", True),
    ],
)
def test_a_status_is_final_or_not(status: JobStatus, final: bool) -> None:
    state = read_state({"id": "a", "status": status})
    assert (state.status, state.final) == (status, final)


def test_a_status_of_the_future_counts_as_running_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        state = read_state({"id": "a", "status": "MIGRATING"})
    assert (state.status, state.final) == ("IN_PROGRESS", False)
    assert "MIGRATING" in caplog.text


def test_the_workers_own_error_is_read() -> None:
    text = json.dumps({"code": "no_face", "message": "No face.", "retryable": False, "request_id": "a"})
    assert failed(text).error == JobError(code="no_face", message="No face.", retryable=False, request_id="a")


@pytest.mark.parametrize(
    "error",
    [
        SDK_ERROR,
        "handler: boom \ntraceback: Traceback (most recent call last): /app/handler.py",
        "job timed out after 1 retries",
        '{"code": "no_face", "message": 7, "retryable": "no"}',
        '{"code": "no_face"',
        "[" * 100_000,
        "",
        None,
        ["no_face"],
        {"error_type": "RuntimeError"},
    ],
)
def test_an_error_of_another_form_tells_nothing_of_the_worker(error: JsonValue) -> None:
    told = failed(error).error
    assert told is not None
    assert (told.code, told.retryable) == ("internal_error", False)
    assert not any(leak in told.message for leak in ("Traceback", "/", "pod-7", "RuntimeError"))


def test_a_job_that_ran_out_of_time_may_be_tried_again() -> None:
    error = read_state({"id": "a", "status": "TIMED_OUT"}).error
    assert error is not None
    assert (error.code, error.retryable) == ("interrupted", True)


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "IN_QUEUE"])
def test_other_jobs_have_no_error(status: JobStatus) -> None:
    assert read_state({"id": "a", "status": status, "error": ""}).error is None


@pytest.mark.parametrize(
    "answer", [{}, {"id": "a"}, {"status": "IN_QUEUE"}, {"id": "", "status": "IN_QUEUE"}, {"id": 7}]
)
def test_an_answer_without_id_or_status_is_unreadable(answer: dict[str, JsonValue]) -> None:
    with pytest.raises(Unreadable):
        read_state(answer)
    with pytest.raises(Unreadable):
        read_queued(answer)


def test_odd_times_are_left_out() -> None:
    state = read_state(
        {"id": "a", "status": "COMPLETED", "delayTime": "soon", "executionTime": float("inf"), "workerId": 5}
    )
    assert (state.delay_ms, state.execution_ms, state.worker_id) == (None, None, None)


def test_health_counts_what_is_missing_as_nothing() -> None:
    health = read_health({"jobs": {"inQueue": 3, "failed": True}, "workers": {"idle": 1, "throttled": None}})
    assert (health.jobs.in_queue, health.jobs.failed, health.workers.idle) == (3, 0, 1)
    assert (health.workers.throttled, health.workers.unhealthy) == (0, 0)


def test_health_without_counts_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read_health({"status": "ok"})
