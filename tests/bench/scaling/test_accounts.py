"""The accounts of a queue in which things went wrong have to say which."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bench.scaling.accounts import settled
from tests.worker.queue_jobs import Post, QueuedJob

TYPED = json.dumps({"code": "invalid_input", "message": "No.", "retryable": False, "request_id": "bad"})


def handed_out(name: str) -> QueuedJob:
    job = QueuedJob(name, {"input": {"session_id": "ada"}})
    job.hand_to("pod0")
    return job


def ended(name: str, **body: Any) -> QueuedJob:
    """A job after one post of that body."""
    job = handed_out(name)
    job.take_post(Post(time.monotonic(), "pod0", body))
    return job


def folder_of(name: str, mark: str = "0a1b2c3d") -> str:
    return f"outputs/ada/{name}-{mark}"


def spoken(name: str) -> QueuedJob:
    return ended(name, output={"video_key": f"{folder_of(name)}/video.mp4", "duration": 2.0})


def stored(*names: str) -> set[str]:
    return {f"{folder_of(name)}/{file}" for name in names for file in ("video.mp4", "audio.mp3", "result.json")}


def test_one_result_with_its_video_or_one_typed_error_is_right() -> None:
    good = spoken("good-e1")
    good.posts.insert(0, Post(time.monotonic(), "pod0", {"status": "IN_PROGRESS", "output": {"progress": 0.5}}))
    made = ended("made-e1", output={"session_id": "ada", "status": "ready"})
    accounts = settled(("good-e1", "made-e1", "bad-e1"), (good, made, ended("bad-e1", error=TYPED)), stored("good-e1"))
    assert accounts.are_right
    assert accounts.failed == ("bad-e1",)


@pytest.mark.parametrize(
    "job",
    [
        QueuedJob("it", {"input": {}}),
        handed_out("it"),
        ended("it", output=None),
        ended("it", output={}),
        ended("it", error="Traceback (most recent call last)"),
        ended("it", error=json.dumps({"message": "without a code"})),
        spoken("it"),
    ],
    ids=["queued", "at work", "no output", "empty output", "untyped", "without a code", "video not stored"],
)
def test_a_job_without_a_result_is_lost(job: QueuedJob) -> None:
    accounts = settled(("good", "it"), (spoken("good"), job), stored("good"))
    assert accounts.lost == ("it",)
    assert not accounts.are_right


def test_a_job_that_the_queue_knows_nothing_of_is_lost() -> None:
    assert settled(("good", "gone"), (spoken("good"),), stored("good")).lost == ("gone",)


@pytest.mark.parametrize("status", ["CANCELLED", "TIMED_OUT"])
def test_nobody_cancelled_anything_and_there_were_no_limits(status: Any) -> None:
    job = handed_out("it")
    job.end(status)
    assert settled(("it",), (job,), ()).lost == ("it",)


def test_a_job_that_two_workers_ended_is_doubled() -> None:
    twice = spoken("twice")
    twice.take_post(Post(time.monotonic(), "pod1", twice.posts[0].body))
    accounts = settled(("good", "twice"), (spoken("good"), twice), stored("good", "twice"))
    assert (accounts.lost, accounts.doubled) == ((), ("twice",))
    assert not accounts.are_right


def test_a_job_with_two_folders_of_outputs_is_doubled() -> None:
    files = {*stored("twice"), f"{folder_of('twice', 'ffffffff')}/video.mp4"}
    assert settled(("twice",), (spoken("twice"),), files).doubled == ("twice",)
