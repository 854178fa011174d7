"""How many videos are made at once for a session, on one server and over several."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.endpoint import S3Endpoint
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.test_idempotency import begin, finish
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

GENERATE = "/api/v1/generate/text-to-video"
STREAM = "/api/v1/generate/text-to-video-stream"
ONE = {"SESSION_GENERATIONS": "1", "SYNC_WAIT_SECONDS": "0.5"}


@pytest.fixture
def replicas(tiny_avatar: Path, tmp_path: Path, moto: S3Endpoint) -> Iterator[tuple[Server, Server]]:
    """Two servers in front of one queue that no worker takes jobs from."""
    stored = ServerStore.bucket(WorkersBucket.on(moto))
    grounds = [Ground(tmp_path / name, tiny_avatar).make() for name in ("first", "second")]
    with (
        QueueStandIn() as queue,
        Server(grounds[0], ONE, stored, queue) as first,
        Server(grounds[1], ONE, stored, queue) as second,
    ):
        yield first, second


def test_a_job_that_a_504_leaves_keeps_its_place_on_every_replica(
    replicas: tuple[Server, Server], tiny_avatar: Path
) -> None:
    first, second = replicas
    body = {"avatar_video_path": first.upload(tiny_avatar.read_bytes()), "text": "Hello."}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    job_id = error_of(first.http.post(GENERATE, json=body, headers=key), 504, "still_running")["job_id"]
    for server in replicas:
        refused = server.http.post(GENERATE, json=body)
        error_of(refused, 429, "too_many_generations")
        assert int(refused.headers["retry-after"]) >= 1
    # The same request waits on for the same job, and is no second one.
    error_of(first.http.post(GENERATE, json=body, headers=key), 504, "still_running")
    assert first.queue is not None
    (queue_id,) = first.queue.inputs()
    begin(first.stored, job_id, queue_id)
    finish(first.stored, job_id)
    wait_until(lambda: second.http.post(GENERATE, json=body).status_code == 504)


def test_a_stream_that_is_left_gives_its_place_back(fresh_ground: Ground) -> None:
    with Server(fresh_ground, {**ONE, "MAX_CONCURRENCY": "3"}) as server:
        session_id = server.ready()
        body: dict[str, Any] = {"session_id": session_id, "audio_base64": wav_base64(hum(20))}
        short = {**body, "audio_base64": wav_base64(hum(0.2))}
        with httpx.stream("POST", server.url + STREAM, json=body, timeout=30, trust_env=False) as stream:
            next(stream.iter_raw())
            error_of(server.http.post(GENERATE, json=short), 429, "too_many_generations")
            other = {**short, "session_id": server.ready()}
            assert server.http.post(GENERATE, json=other).status_code == 200
        wait_until(lambda: server.http.post(GENERATE, json=short).status_code == 200)
