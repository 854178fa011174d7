"""A job's record in the store: alive while the job runs, and in the end what the caller was told."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.worker.clips import grey_clip
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import SENTENCE, wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker

pytestmark = pytest.mark.usefixtures("worker")


def record_of(ground: Ground, name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((ground.store / f"jobs/{name}.json").read_text())
    return record


def has_begun(ground: Ground, job_id: str) -> bool:
    return f"jobs/{job_id}.json" in ground.stored("jobs/")


@pytest.fixture(scope="module")
def session(endpoint: Endpoint, worker: Worker) -> str:
    return str(endpoint.output({"action": "create_session"})["session_id"])


def test_a_running_job_says_how_far_it_is_and_that_it_lives(endpoint: Endpoint, ground: Ground, session: str) -> None:
    job_id = endpoint.run({"session_id": session, "text": SENTENCE * 20})
    wait_for(lambda: has_begun(ground, job_id))
    begun = record_of(ground, job_id)
    assert (begun["state"], begun["session_id"], begun["progress"]) == ("running", session, 0.0)
    wait_for(lambda: record_of(ground, job_id)["stage"] == "drawing")
    beaten = record_of(ground, job_id)
    assert datetime.fromisoformat(beaten["heartbeat"]) > datetime.fromisoformat(begun["heartbeat"])
    assert 0 < beaten["progress"] < 1
    endpoint.cancel(job_id)
    wait_for(lambda: record_of(ground, job_id)["state"] == "cancelled")
    assert record_of(ground, job_id)["result"] is None


def test_a_done_job_s_record_holds_its_result_and_no_address(endpoint: Endpoint, ground: Ground, session: str) -> None:
    job_id = endpoint.run({"session_id": session, "text": "Hello."})
    output = endpoint.ended(job_id)["output"]
    record = record_of(ground, job_id)
    assert (record["state"], record["progress"], record["attempt"], record["error"]) == ("done", 1.0, 1, None)
    kept = {name: value for name, value in record["result"].items() if value is not None}
    assert kept == {name: value for name, value in output.items() if not name.endswith("_url")}
    stored = json.loads((ground.store / Path(output["video_key"]).parent / "result.json").read_text())
    assert stored == record["result"]


def test_a_failed_job_s_record_says_what_its_caller_was_told(endpoint: Endpoint, ground: Ground) -> None:
    avatar = grey_clip(ground.avatars / "grey.mp4")
    job_id = endpoint.run({"avatar_video_path": str(avatar), "text": "Hello."})
    told = json.loads(endpoint.ended(job_id)["error"])
    record = record_of(ground, job_id)
    assert record["state"] == "failed"
    assert record["error"] == {name: told[name] for name in ("code", "message", "retryable")}


def test_one_call_tells_its_session_and_rises_through_both_halves(
    endpoint: Endpoint, queue: QueueStandIn, worker: Worker
) -> None:
    job_id = endpoint.run({"text": SENTENCE * 2})
    output = endpoint.ended(job_id)["output"]
    time.sleep(0.2)
    *told, result = queue.posts(job_id)
    assert not result.is_progress
    shares = [post.body["output"]["progress"] for post in told]
    assert shares == sorted(shares)
    assert {post.body["output"]["session_id"] for post in told} == {output["session_id"]}
    stages = [post.body["output"]["stage"] for post in told]
    assert stages[-1] == "drawing"
    assert shares[-1] > 0.9


def test_a_session_deleted_while_its_video_is_drawn_stops_the_job(
    endpoint: Endpoint, ground: Ground, worker: Worker
) -> None:
    endpoint.output({"action": "create_session", "session_id": "brief"})
    job_id = endpoint.run({"session_id": "brief", "text": SENTENCE * 37})
    endpoint.in_progress(job_id, lambda told: told.get("stage") == "drawing")
    deleted = time.monotonic()
    endpoint.output({"action": "delete_session", "session_id": "brief"})
    answer = endpoint.ended(job_id, 10)
    assert json.loads(answer["error"])["code"] == "session_not_found"
    assert time.monotonic() - deleted < 6
    assert not {key for key in ground.stored() if "/brief" in key}
    assert ground.half_made() == set()


@pytest.mark.parametrize("odd", ["1e999", '"\\ud83d"', '{"\\udc00": 1}'], ids=["infinite", "half", "half a key"])
def test_metadata_that_json_can_t_say_is_refused_before_the_work(
    endpoint: Endpoint, ground: Ground, session: str, odd: str
) -> None:
    job_id = endpoint.run_text(f'{{"input": {{"session_id": "{session}", "text": "Hello.", "metadata": {odd}}}}}')
    error = json.loads(endpoint.ended(job_id)["error"])
    assert error["code"] == "invalid_input"
    assert "metadata" in error["message"]
    assert not has_begun(ground, job_id)
