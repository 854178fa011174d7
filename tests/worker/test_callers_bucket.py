"""The bucket that comes with a job through the queue: where its outputs go, and what nobody is told."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint
from tests.worker.endpoint import Endpoint, error_of
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

WRONG_SECRET = "a-wrong-secret-that-no-message-may-show"


@pytest.fixture(scope="module")
def bucket(radosgw: S3Endpoint) -> WorkersBucket:
    return WorkersBucket.on(radosgw)


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, ground: Ground, bucket: WorkersBucket) -> Iterator[Worker]:
    """A worker of a service that keeps what is its own in a folder."""
    allowed = {"ALLOWED_PRIVATE_HOSTS": urlsplit(bucket.server.url).netloc, "MAX_CONCURRENCY": "4"}
    with Worker(queue, ground, "pod1", allowed) as worker:
        yield worker


def s3_config(bucket: WorkersBucket, **changes: str) -> dict[str, str]:
    return {
        "endpointUrl": bucket.server.url,
        "bucketName": bucket.settings.name,
        "accessId": ACCESS_KEY_ID,
        "accessSecret": SECRET_ACCESS_KEY,
        "objectPath": bucket.settings.prefix,
    } | changes


def test_outputs_go_to_the_caller_s_bucket_and_no_key_is_told(
    endpoint: Endpoint, queue: QueueStandIn, ground: Ground, worker: Worker, bucket: WorkersBucket
) -> None:
    job_id = endpoint.run({"text": "Into your own bucket."}, s3Config=s3_config(bucket))
    answer = endpoint.ended(job_id)
    assert answer["status"] == "COMPLETED", answer
    output = answer["output"]
    assert bucket.stored().keys() == {
        output[name] for name in ("video_key", "audio_key", "captions_key", "subtitles_key", "thumbnail_key")
    }
    assert not ground.stored("outputs/") & bucket.stored().keys()
    video = httpx.get(output["video_url"])
    assert (video.status_code, video.content[4:8]) == (200, b"ftyp")
    assert SECRET_ACCESS_KEY not in worker.log() + queue.told_by(worker.pod)
    stored = [(ground.store / name).read_bytes() for name in ground.stored()]
    assert not [body for body in stored if SECRET_ACCESS_KEY.encode() in body]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"accessSecret": WRONG_SECRET}, "s3_config_rejected"),
        ({"bucketName": "no-such-bucket"}, "s3_config_rejected"),
        ({"endpointUrl": "http://127.0.0.1:1"}, "s3_config_invalid"),
        ({"endpointUrl": "https://169.254.169.254"}, "s3_config_invalid"),
        ({"accessSecret": ""}, "s3_config_invalid"),
    ],
    ids=["secret", "bucket", "port", "metadata server", "no secret"],
)
def test_a_bad_bucket_is_a_typed_error_before_the_work(
    endpoint: Endpoint,
    queue: QueueStandIn,
    ground: Ground,
    worker: Worker,
    bucket: WorkersBucket,
    changes: dict[str, str],
    code: str,
) -> None:
    before = ground.stored()
    answer = endpoint.ended(endpoint.run({"text": "Nowhere to go."}, s3Config=s3_config(bucket, **changes)))
    error = error_of(answer)
    assert (error["code"], error["retryable"]) == (code, False)
    assert ground.stored() == before
    told = worker.log() + queue.told_by(worker.pod)
    assert WRONG_SECRET not in told
    assert SECRET_ACCESS_KEY not in told
