"""A worker that RunPod tells to go, by SIGTERM: what it still does, and what it takes no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.odd_device import GO_ON, HELD_FRAMES
from tests.worker.paid_voice import wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.test_device_memory import ODD_DEVICE
from tests.worker.worker_process import REPOSITORY, Ground, Worker

IDLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def queue() -> Iterator[QueueStandIn]:
    """Its polls are held for as long as RunPod may hold them."""
    with QueueStandIn(hold_seconds=60) as queue:
        yield queue


@pytest.fixture
def held(ground: Ground) -> dict[str, str]:
    """A job that runs until GO_ON lies in the worker's folder."""
    (ground.folder / GO_ON).unlink(missing_ok=True)
    return {"text": "Yes.", "avatar_video_path": str(talking_head(ground.avatars / "held.mp4", HELD_FRAMES))}


def test_an_idle_worker_is_gone_in_two_seconds(queue: QueueStandIn, endpoint: Endpoint, ground: Ground) -> None:
    with Worker(queue, ground, "idle") as worker:
        assert endpoint.output({"action": "status"})["status"] == "healthy"
        began = time.monotonic()
        worker.terminate()
        assert worker.exit_code() == 0
        assert time.monotonic() - began < IDLE_SECONDS
        late = endpoint.run({"action": "status"})
        time.sleep(0.3)
        assert queue.handed_to(late) == ()
        assert "Traceback" not in worker.log()
        endpoint.cancel(late)


@pytest.mark.parametrize("slots", ["1", "4"])
def test_a_busy_worker_finishes_reports_and_takes_no_more(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground, held: dict[str, str], slots: str
) -> None:
    settings = {"PYTHONPATH": str(REPOSITORY), "MAX_CONCURRENCY": slots}
    with Worker(queue, ground, f"busy{slots}", settings, ODD_DEVICE) as worker:
        running, stopped = endpoint.run(held), endpoint.run(held) if slots == "4" else None
        for job_id in filter(None, (running, stopped)):
            endpoint.in_progress(job_id)
        worker.terminate()
        time.sleep(0.5)
        late = endpoint.run({"action": "status"})
        if stopped is not None:
            endpoint.cancel(stopped)
            wait_for(lambda: worker.has_logged("Stopping job.", stopped))
        (ground.folder / GO_ON).touch()
        assert endpoint.ended(running)["status"] == "COMPLETED"
        assert worker.exit_code(5) == 0
        assert queue.handed_to(late) == ()
        assert stopped is None or endpoint.status(stopped)["status"] == "CANCELLED"
        endpoint.cancel(late)


def test_a_job_whose_answer_was_on_its_way_is_run(ground: Ground) -> None:
    """The queue has handed it out; the worker, frozen, hears of that and of the signal at the same time."""
    with (
        QueueStandIn(hold_seconds=60) as queue,
        closing(Endpoint(queue)) as endpoint,
        Worker(queue, ground, "late") as worker,
    ):
        time.sleep(0.5)
        worker.freeze()
        late = endpoint.run({"action": "status"})
        wait_for(lambda: queue.handed_to(late) == ("late",))
        worker.terminate()
        worker.thaw()
        assert endpoint.ended(late, 5)["status"] == "COMPLETED"
        assert worker.exit_code(5) == 0
