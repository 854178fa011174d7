"""`Idempotency-Key` over HTTP, on every backend."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from engine.records import JobRecord, Records, RecordSet
from tests.servers.endpoint import S3Endpoint
from tests.shim.errors import assert_form, error_of
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.test_queue_jobs import GENERATED
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

CREATE = "/api/v1/session/create"
GENERATE = "/api/v1/generate/text-to-video"
STREAM = "/api/v1/generate/text-to-video-stream"


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def jobs_asked(server: Server) -> int:
    return 0 if server.queue is None else len(server.queue.inputs())


def test_a_creation_that_is_sent_twice_makes_one_session(server: Server, key: dict[str, str]) -> None:
    first = server.http.post(CREATE, json={"of_no_use": 1}, headers=key)
    assert first.status_code == 200
    sessions, jobs = server.stored.keys("sessions/"), jobs_asked(server)
    again = server.http.post(CREATE, json={"of_no_use": 1}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (server.stored.keys("sessions/"), jobs_asked(server)) == (sessions, jobs)
    other = server.http.post(CREATE, json={}, headers=key)
    error_of(other, 422, "idempotency_key_reused")
    assert server.ended(first.json()["session_id"])["status"] == "ready"


def test_a_generate_that_is_sent_twice_makes_one_video(server: Server, session: str, key: dict[str, str]) -> None:
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2)), "metadata": {"order": 7}}
    first = server.http.post(GENERATE, json=body, headers=key)
    assert first.status_code == 200, first.text
    jobs = jobs_asked(server)
    again = server.http.post(GENERATE, json=body, headers=key)
    assert again.status_code == 200
    fresh = {"download_url"}
    assert {name: value for name, value in again.json().items() if name not in fresh} == {
        name: value for name, value in first.json().items() if name not in fresh
    }
    assert jobs_asked(server) == jobs
    assert server.http.head(again.json()["video_url"]).status_code == 200
    reply = server.http.post(GENERATE, json={**body, "sync_mode": "loop"}, headers=key)
    error_of(reply, 422, "idempotency_key_reused")


def test_while_it_is_made_the_same_request_is_told_to_wait(server: Server, session: str, key: dict[str, str]) -> None:
    body = {"session_id": session, "audio_base64": wav_base64(hum(15))}
    before = server.stored.keys("requests/")
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(httpx.post, server.url + GENERATE, json=body, headers=key, timeout=60, trust_env=False)
        wait_until(lambda: server.stored.keys("requests/") != before)
        refused = server.http.post(GENERATE, json=body, headers=key)
        assert error_of(refused, 409, "request_in_progress")["retryable"] is True
        assert int(refused.headers["retry-after"]) > 0
        made = first.result()
    assert server.http.post(GENERATE, json=body, headers=key).json()["video_url"] == made.json()["video_url"]


def test_a_failed_request_leaves_its_key_to_the_same_body(server: Server, key: dict[str, str]) -> None:
    session_id = f"later-{uuid.uuid4()}"
    body = {"session_id": session_id, "audio_base64": wav_base64(hum(0.2))}
    error_of(server.http.post(GENERATE, json=body, headers=key), 404, "session_not_found")
    server.ready(session_id=session_id)
    assert server.http.post(GENERATE, json=body, headers=key).status_code == 200


@pytest.mark.parametrize("value", ["", "two words", "x" * 256])
def test_a_key_that_is_no_plain_word_is_400(server: Server, value: str) -> None:
    reply = server.http.post(CREATE, json={}, headers={"Idempotency-Key": value})
    assert "Idempotency-Key" in error_of(reply, 400, "invalid_input")["detail"]


def test_header_and_field_exclude_each_other(server: Server, session: str, key: dict[str, str]) -> None:
    body = {"session_id": session, "text": "Twice.", "idempotency_key": "x"}
    error_of(server.http.post(GENERATE, json=body, headers=key), 400, "invalid_input")


def test_a_stream_takes_no_key(server: Server, session: str, key: dict[str, str]) -> None:
    body = {"session_id": session, "text": "Twice."}
    assert "stream" in error_of(server.http.post(STREAM, json=body, headers=key), 400, "invalid_input")["detail"]
    url = server.url.replace("http:", "ws:") + STREAM
    with connect(url, additional_headers=key, proxy=None) as socket:
        told = json.loads(socket.recv())
    assert_form(told)
    assert (told["type"], told["error"]) == ("error", "invalid_input")


@pytest.fixture
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


def test_the_same_key_goes_on_with_the_job_that_a_504_left(
    fresh_ground: Ground, moto: S3Endpoint, queue: QueueStandIn, tiny_avatar: Path, key: dict[str, str]
) -> None:
    stored = ServerStore.bucket(WorkersBucket.on(moto))
    with Server(fresh_ground, {"SYNC_WAIT_SECONDS": "0.5"}, stored, queue) as server:
        body = {"avatar_video_path": server.upload(tiny_avatar.read_bytes()), "text": "Hello."}
        left = [error_of(server.http.post(GENERATE, json=body, headers=key), 504, "still_running") for _ in range(2)]
        (queue_id,) = queue.inputs()
        job_id = left[0]["job_id"]
        assert left[1]["job_id"] == job_id
        begin(stored, job_id, queue_id)
        server.kill()
        server.start()
        error_of(server.http.post(GENERATE, json=body, headers=key), 504, "still_running")
        finish(stored, job_id)
        made = server.http.post(GENERATE, json=body, headers=key)
        assert (made.status_code, made.json()["video_url"]) == (200, f"/api/v1/generate/video/output_{job_id}.mp4")
        assert list(queue.inputs()) == [queue_id]


def begin(stored: ServerStore, job_id: str, queue_id: str) -> None:
    """As a worker begins a job."""
    now = datetime.now(UTC)
    record = JobRecord(
        job_id=job_id,
        queue_id=queue_id,
        action="generate",
        input_hash="0" * 64,
        state="running",
        heartbeat=now,
        created=now,
        updated=now,
    )
    assert records_of(stored).create(record)


def finish(stored: ServerStore, job_id: str) -> None:
    """As a worker ends one."""
    done = {"state": "done", "result": GENERATED.model_dump(mode="json")}
    assert records_of(stored).update(job_id, lambda old: old.model_copy(update=done))


def records_of(stored: ServerStore) -> RecordSet[JobRecord]:
    return Records(stored.store, lambda: datetime.now(UTC)).jobs
