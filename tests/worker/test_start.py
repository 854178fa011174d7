"""How a worker starts, and how it says that it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import KEY, QueueStandIn
from tests.worker.worker_process import Ground, Worker, failed_start


def test_a_setting_that_is_out_of_range_is_named(queue: QueueStandIn, tmp_path: Path, tiny_avatar: Path) -> None:
    log = failed_start(queue, Ground(tmp_path, tiny_avatar).make(), "unset", MAX_CONCURRENCY="0")
    assert "MAX_CONCURRENCY" in log
    assert KEY not in log


def test_a_scratch_folder_that_is_missing_is_named(queue: QueueStandIn, tmp_path: Path, tiny_avatar: Path) -> None:
    log = failed_start(queue, Ground(tmp_path, tiny_avatar).make(), "unset", SCRATCH_DIR=str(tmp_path / "gone"))
    assert "SCRATCH_DIR" in log
    assert str(tmp_path) not in log


def test_weights_that_are_missing_are_a_failed_check(queue: QueueStandIn, tmp_path: Path, tiny_avatar: Path) -> None:
    ground, weights = Ground(tmp_path, tiny_avatar).make(), tmp_path / "none"
    log = failed_start(queue, ground, "bare", RENDERER="musetalk", WEIGHTS_DIR=str(weights))
    [told] = [ping for ping in queue.pings() if ping.worker == "bare"]
    assert told.check == "weights_missing"
    assert told.reason is not None
    assert "builder.fetch_models" in told.reason
    assert told.reason in log


def test_a_default_avatar_that_is_missing_makes_the_worker_unfit(queue: QueueStandIn, tmp_path: Path) -> None:
    failed_start(queue, Ground(tmp_path, tmp_path / "gone.mp4").make(), "unfit")
    told = [ping for ping in queue.pings() if ping.worker == "unfit"]
    assert [ping.check for ping in told] == ["default_avatar"]
    assert told[0].reason is not None
    assert str(tmp_path) not in told[0].reason


def test_two_workers_share_a_session_through_the_store(
    queue: QueueStandIn, endpoint: Endpoint, tmp_path: Path, tiny_avatar: Path
) -> None:
    ground = Ground(tmp_path, tiny_avatar).make()
    with Worker(queue, ground, "first"):
        created = endpoint.ended(endpoint.run({"action": "create_session"}))
    with Worker(queue, ground, "second"):
        spoken = endpoint.ended(endpoint.run({"session_id": created["output"]["session_id"], "text": "Hello."}))
    assert (created["workerId"], spoken["workerId"]) == ("first", "second")
    assert spoken["status"] == "COMPLETED"
    assert Path(spoken["output"]["video_url"]).stat().st_size > 0


@pytest.mark.usefixtures("worker")
def test_a_running_worker_is_healthy_and_pings(queue: QueueStandIn, endpoint: Endpoint) -> None:
    endpoint.output({"action": "status"})
    assert endpoint.health()["workers"]["idle"] >= 1
    assert [ping.check for ping in queue.pings() if ping.worker == "pod1"][:1] == [None]
