"""Workers that share nothing but a bucket, on each server: a session's whole life, from one machine to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

URLS = ("video_url", "audio_url", "captions_url", "subtitles_url", "thumbnail_url")


@dataclass(frozen=True)
class SecondMachine:
    """A worker on a machine that has nothing of the first one's but its bucket."""

    ground: Ground
    worker: Worker
    bucket: WorkersBucket
    created: dict[str, Any]
    """The session's creation as the queue tells it, by a worker that is gone."""


@pytest.fixture(scope="module", params=["moto", "radosgw"])
def bucket(request: pytest.FixtureRequest) -> WorkersBucket:
    return WorkersBucket.on(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def second(
    bucket: WorkersBucket,
    queue: QueueStandIn,
    endpoint: Endpoint,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_avatar: Path,
) -> Iterator[SecondMachine]:
    grounds = [Ground(tmp_path_factory.mktemp("machine"), tiny_avatar).make() for _ in range(2)]
    environment = {**bucket.environment(), "MAX_CONCURRENCY": "4"}
    with Worker(queue, grounds[0], f"first-{bucket.server.port}", environment):
        created = endpoint.ended(endpoint.run({"action": "create_session"}))
    with Worker(queue, grounds[1], f"second-{bucket.server.port}", environment) as worker:
        yield SecondMachine(grounds[1], worker, bucket, created)


@pytest.fixture(scope="module")
def spoken(second: SecondMachine, endpoint: Endpoint) -> dict[str, Any]:
    """A generate on the second machine with the first one's session."""
    session_id = second.created["output"]["session_id"]
    return endpoint.ended(endpoint.run({"session_id": session_id, "text": "Hello from another machine."}))


def test_a_session_of_one_machine_speaks_on_another(
    second: SecondMachine, spoken: dict[str, Any], endpoint: Endpoint
) -> None:
    assert spoken["status"] == "COMPLETED", spoken
    assert second.created["workerId"] != spoken["workerId"] == second.worker.pod
    session_id = second.created["output"]["session_id"]
    assert endpoint.output({"action": "status", "session_id": session_id})["status"] == "ready"


def test_the_video_s_address_works_without_a_key_and_plays(spoken: dict[str, Any], tmp_path: Path) -> None:
    output = spoken["output"]
    assert all("X-Amz-Signature=" in output[name] for name in URLS)
    video = httpx.get(output["video_url"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "video.mp4").write_bytes(video.content)
    with av.open(str(tmp_path / "video.mp4")) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    assert pictures == output["frames"] == round(output["duration"] * 25)
    assert httpx.get(output["captions_url"]).text.startswith("WEBVTT")


def test_everything_lies_in_the_bucket_and_nothing_on_the_machine(
    second: SecondMachine, spoken: dict[str, Any]
) -> None:
    keys = second.bucket.stored()
    assert spoken["output"]["video_key"] in keys
    assert f"sessions/{spoken['output']['session_id']}.json" in keys
    assert not [key for key in keys if key.startswith("proofs/")]
    assert f"workers/{second.worker.pod}.json" in keys
    assert second.ground.stored() == set()
    assert second.ground.half_made() == set()


def test_another_session_of_the_same_avatar_is_ready_without_a_second_preparation(
    second: SecondMachine, endpoint: Endpoint, queue: QueueStandIn
) -> None:
    def bundle() -> dict[str, str]:
        marks = ("/refs/", "/used")
        return {key: etag for key, etag in second.bucket.stored("avatars/").items() if not any(m in key for m in marks)}

    before = bundle()
    job_id = endpoint.run({"action": "create_session"})
    again = endpoint.ended(job_id)
    assert again["output"]["status"] == "ready"
    assert again["output"]["session_id"] != second.created["output"]["session_id"]
    assert again["executionTime"] < 1_000
    assert {post.body["output"].get("stage") for post in queue.posts(job_id)} <= {None, "reading", "saving"}
    assert bundle() == before


def test_the_same_job_on_another_machine_gives_the_same_outputs(
    second: SecondMachine, spoken: dict[str, Any], endpoint: Endpoint, queue: QueueStandIn
) -> None:
    before = second.bucket.stored("outputs/")
    queue.hand_out_again(spoken["id"])
    again = endpoint.ended(spoken["id"])["output"]
    assert {**again, **dict.fromkeys(URLS)} == {**spoken["output"], **dict.fromkeys(URLS)}
    assert second.bucket.stored("outputs/") == before


def test_a_deleted_session_leaves_nothing_but_its_avatar(
    second: SecondMachine, endpoint: Endpoint, spoken: dict[str, Any]
) -> None:
    session_id = endpoint.output({"action": "create_session"})["session_id"]
    made = endpoint.output({"session_id": session_id, "text": "Hi."})
    assert httpx.get(made["video_url"]).status_code == 200
    endpoint.output({"action": "delete_session", "session_id": session_id})
    assert endpoint.error({"session_id": session_id, "text": "Hi."})["code"] == "session_not_found"
    assert httpx.get(made["video_url"]).status_code == 404
    assert not [key for key in second.bucket.stored() if session_id in key]
    assert httpx.get(spoken["output"]["video_url"]).status_code == 200
