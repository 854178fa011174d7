"""Lost jobs, which the stand-in's queue hands out again by itself as the platform does."""

from __future__ import annotations

import time

import httpx

from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import wait_for
from tests.worker.queue_losses import GIVEN_UP, Losses
from tests.worker.queue_standin import KEY, QueueStandIn

LOST_AFTER = 0.4


def asked(queue: QueueStandIn, path: str) -> httpx.Response:
    return httpx.get(f"{queue.url}/{path}", headers={"Authorization": KEY}, timeout=10)


def test_a_job_that_its_worker_names_stays_and_one_that_nobody_names_is_handed_out_again() -> None:
    with QueueStandIn(hold_seconds=0.1, losses=Losses(LOST_AFTER)) as queue:
        endpoint = Endpoint(queue)
        job_id = endpoint.run({})
        assert asked(queue, "job-take/pod?gpu=CPU").json()["id"] == job_id
        end = time.monotonic() + 2 * LOST_AFTER + 0.3
        while time.monotonic() < end:
            asked(queue, f"ping/pod?job_id={job_id}")
            time.sleep(0.1)
        assert endpoint.status(job_id)["status"] == "IN_PROGRESS"
        wait_for(lambda: endpoint.status(job_id)["status"] == "IN_QUEUE")
        endpoint.close()


def test_a_job_that_is_lost_too_often_fails() -> None:
    with QueueStandIn(hold_seconds=0.1, losses=Losses(0.0, most=2)) as queue:
        endpoint = Endpoint(queue)
        job_id = endpoint.run({})
        while endpoint.status(job_id)["status"] != "FAILED":
            asked(queue, "job-take/pod?gpu=CPU")
        assert endpoint.status(job_id)["error"] == GIVEN_UP
        assert len(queue.handed_to(job_id)) == 2
        endpoint.close()
