"""A worker that dies while it prepares an avatar, and the one that takes its place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from engine.endpoint.client import EndpointAddress, RunPodEndpoint
from engine.endpoint.preparations import SILENCE, Preparations
from engine.records import Records, SessionRecord
from engine.store.local import LocalStore
from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn
from tests.worker.worker_process import Ground, Worker


@pytest.fixture
def client(queue: QueueStandIn) -> Iterator[RunPodEndpoint]:
    address = EndpointAddress(ENDPOINT, SecretStr(KEY), queue.url.removesuffix(f"/{ENDPOINT}"))
    client = RunPodEndpoint(address, httpx.Client(timeout=10, trust_env=False))
    yield client
    client.close()


@pytest.fixture
def avatar(ground: Ground) -> Path:
    """One that takes a while to prepare."""
    return talking_head(ground.avatars / "lost.mp4", 250)


def a_minute_later() -> datetime:
    return datetime.now(UTC) + SILENCE


def record_of(records: Records) -> SessionRecord:
    record = records.sessions.get("lost")
    assert record is not None
    return record


def begin(queue: QueueStandIn, endpoint: Endpoint, ground: Ground, avatar: Path) -> str:
    """A job whose worker is killed while it prepares; its id."""
    with Worker(queue, ground, "pod-dies") as worker:
        job_id = endpoint.run({"action": "create_session", "session_id": "lost", "avatar_video_path": str(avatar)})
        endpoint.in_progress(job_id)
        worker.kill()
    return job_id


def test_the_session_of_a_worker_that_died_becomes_ready_on_another(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground, avatar: Path, client: RunPodEndpoint
) -> None:
    job_id = begin(queue, endpoint, ground, avatar)
    records = Records(LocalStore(ground.store), a_minute_later)
    preparations = Preparations(records, client, a_minute_later)
    left = record_of(records)
    assert (left.status, left.job_id) == ("preparing", job_id)
    # The platform has not noticed yet, then it has.
    assert preparations.settle(left) is left
    queue.end(job_id, "FAILED", error="job timed out after 1 retries")
    resubmitted = Preparations(records, client, a_minute_later).settle(left)
    assert (resubmitted.status, resubmitted.resubmissions) == ("preparing", 1)
    assert resubmitted.job_id not in (None, job_id)

    with Worker(queue, ground, "pod-comes"):
        assert endpoint.ended(str(resubmitted.job_id))["status"] == "COMPLETED"
    ready = record_of(records)
    assert (ready.status, ready.job_id) == ("ready", resubmitted.job_id)
    assert preparations.settle(ready) is ready
