"""Where a worker keeps its results, and that it takes no jobs when they would be lost."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.servers.endpoint import SECRET_ACCESS_KEY, S3Endpoint
from tests.worker.clips import hum, noisy_head, wav_base64
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker, failed_start
from tests.worker.workers_bucket import WorkersBucket


@pytest.fixture
def own_ground(tmp_path: Path, tiny_avatar: Path) -> Ground:
    return Ground(tmp_path, tiny_avatar).make()


def test_a_local_store_off_the_volume_makes_the_worker_unfit(queue: QueueStandIn, own_ground: Ground) -> None:
    elsewhere = own_ground.folder / "volume"
    elsewhere.mkdir()
    failed_start(queue, own_ground, "unfit", NETWORK_VOLUME=str(elsewhere))
    told = [ping for ping in queue.pings() if ping.worker == "unfit"]
    assert [ping.check for ping in told] == ["store_lasts"]
    assert told[0].reason is not None
    for variable in ("BUCKET_", "STORE_DIR", "INLINE_RESULTS"):
        assert variable in told[0].reason
    assert str(own_ground.folder) not in told[0].reason
    assert not queue.wait_for_worker("unfit", 0)


PARTS = {
    "BUCKET_ENDPOINT_URL": "https://bucket.example",
    "BUCKET_ACCESS_KEY_ID": "an-id",
    "BUCKET_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "BUCKET_NAME": "videos",
}


@pytest.mark.parametrize(
    "missing", [("BUCKET_NAME",), ("BUCKET_ACCESS_KEY_ID", "BUCKET_ENDPOINT_URL", "BUCKET_NAME")], ids="+".join
)
def test_a_bucket_configured_in_part_is_no_start(
    queue: QueueStandIn, own_ground: Ground, missing: tuple[str, ...]
) -> None:
    given = {name: value for name, value in PARTS.items() if name not in missing}
    pod = f"partial{len(missing)}"
    failed_start(queue, own_ground, pod, **given)
    [told] = [ping for ping in queue.pings() if ping.worker == pod]
    assert (told.check, told.reason is None) == ("configuration_error", False)
    assert all(name in str(told.reason) for name in missing)
    assert not [name for name in given if name in str(told.reason)]
    assert own_ground.stored() == set()


def test_a_bucket_that_refuses_the_key_is_no_start(
    queue: QueueStandIn, own_ground: Ground, radosgw: S3Endpoint
) -> None:
    bucket = WorkersBucket.on(radosgw)
    wrong = {**bucket.environment(), "BUCKET_SECRET_ACCESS_KEY": "another-secret-that-no-message-may-show"}
    log = failed_start(queue, own_ground, "refused", **wrong)
    assert "BUCKET_SECRET_ACCESS_KEY" in log
    assert own_ground.stored() == set()
    assert bucket.stored() == {}


@pytest.fixture(scope="module")
def inline_worker(queue: QueueStandIn, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path) -> Iterator[Ground]:
    """A worker off the volume whose results travel in the reply."""
    ground = Ground(tmp_path_factory.mktemp("inline"), tiny_avatar).make()
    settings = {"INLINE_RESULTS": "1", "NETWORK_VOLUME": str(ground.folder / "volume"), "MAX_CONCURRENCY": "4"}
    with Worker(queue, ground, "inline", settings):
        yield ground


def test_a_small_video_travels_in_the_reply(endpoint: Endpoint, inline_worker: Ground) -> None:
    output = endpoint.output({"text": "Hello in one go."})
    assert not [name for name in output if name.endswith("_url")]
    with av.open(io.BytesIO(base64.b64decode(output["video_base64"], validate=True)), "r") as video:
        assert len(list(video.decode(video=0))) == output["frames"]
    assert output["words"]


def test_a_video_too_large_for_a_reply_is_a_typed_error(endpoint: Endpoint, inline_worker: Ground) -> None:
    avatar = noisy_head(inline_worker.avatars / "noisy.mp4")
    error = endpoint.error({"avatar_video_path": str(avatar), "audio_base64": wav_base64(hum(2.0))})
    assert (error["code"], error["retryable"]) == ("result_too_large", False)
    assert endpoint.output({"action": "status"})["status"] == "healthy"
