"""A result that the queue doesn't take: tried again while that can help, and told as an error where it can't."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.worker.endpoint import Endpoint, error_of
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Worker
from worker.delivery import RESULT_SECONDS, Delivery

RESULT = json.dumps({"output": {"video_url": "u"}, "stopPod": True})


@pytest.fixture(autouse=True)
def _faultless(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "queue" in request.fixturenames:
        request.getfixturevalue("queue").faults.forget()


@pytest.mark.usefixtures("worker")
def test_a_queue_that_fails_longer_than_the_sdk_tries_gets_the_result(queue: QueueStandIn, endpoint: Endpoint) -> None:
    queue.faults.plan("job-done", Fault(503), Fault(), Fault(502), Fault(500))
    assert endpoint.output({"action": "status"})["status"] == "healthy"
    assert queue.faults.asked["job-done"] == 5


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_result_is_told_as_an_error(
    queue: QueueStandIn, endpoint: Endpoint, worker: Worker, status: int
) -> None:
    queue.faults.plan("job-done", Fault(status))
    job_id = endpoint.run({"action": "status"})
    error = error_of(endpoint.ended(job_id))
    assert (error["code"], error["retryable"]) == ("result_refused", False)
    assert str(status) in error["message"]
    assert len(queue.posts(job_id)) == 1
    assert endpoint.output({"action": "status"})["status"] == "healthy"


@dataclass
class Scene:
    """A queue that answers as planned, and time that passes only in pauses."""

    answers: list[int | Exception]
    posted: list[dict[str, Any]] = field(default_factory=list)
    time: float = 0.0

    async def post(self, session: Any, url: str, body: str, headers: dict[str, str]) -> int:
        self.posted.append(json.loads(body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def transmit(self, body: str = RESULT) -> None:
        session = SimpleNamespace(headers={"X-Request-ID": "job-1"})
        asyncio.run(Delivery(self.post, self.sleep, lambda: self.time).transmit(session, "http://queue", body))


@pytest.mark.parametrize("answer", [500, 429, TimeoutError(), aiohttp.ClientConnectionError()], ids=repr)
def test_it_is_tried_for_minutes_and_given_up_then(answer: int | Exception) -> None:
    scene = Scene([answer])
    with pytest.raises(aiohttp.ClientError):
        scene.transmit()
    assert RESULT_SECONDS - 20 < scene.time <= RESULT_SECONDS
    assert 20 < len(scene.posted) < 100


def test_the_error_in_a_result_s_place_keeps_the_wish_for_a_fresh_worker() -> None:
    scene = Scene([413, 500, 200])
    scene.transmit()
    assert [set(posted) for posted in scene.posted] == [
        {"output", "stopPod"},
        {"error", "stopPod"},
        {"error", "stopPod"},
    ]


def test_progress_is_tried_once() -> None:
    scene = Scene([503, 200])
    with pytest.raises(aiohttp.ClientError):
        scene.transmit(json.dumps({"status": "IN_PROGRESS", "output": {}}))
    assert len(scene.posted) == 1


@pytest.mark.parametrize("body", [{"error": "e"}, {"status": "IN_PROGRESS", "output": {}}], ids=str)
def test_neither_an_error_nor_progress_has_anything_in_its_place(body: dict[str, Any]) -> None:
    scene = Scene([400])
    with pytest.raises(aiohttp.ClientError):
        scene.transmit(json.dumps(body))
    assert scene.posted == [body]
