"""What the SDK's loop would lose or let through: results that are too large, that JSON can't say, and defects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.endpoint import Endpoint, error_of
from tests.worker.odd_engine import AROUND
from tests.worker.queue_standin import KEY, QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker
from worker.result import MAX_RESULT_BYTES

ODD_ENGINE = Path(__file__).with_name("odd_engine.py")


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, ground: Ground) -> Iterator[Worker]:
    with Worker(queue, ground, "pod1", {"PYTHONPATH": str(REPOSITORY)}, ODD_ENGINE) as worker:
        yield worker


pytestmark = pytest.mark.usefixtures("worker")


def test_the_largest_result_arrives_whole(endpoint: Endpoint) -> None:
    assert len(endpoint.output({"result": "largest"})["video_base64"]) == MAX_RESULT_BYTES - AROUND - 1


@pytest.mark.parametrize("result", ["too large", "too large in UTF-8", "far too large"])
def test_a_result_that_the_queue_would_refuse_is_a_typed_error(endpoint: Endpoint, result: str) -> None:
    error = endpoint.error({"result": result})
    assert (error["code"], error["retryable"]) == ("result_too_large", False)
    assert str(MAX_RESULT_BYTES) in error["message"]


@pytest.mark.parametrize(
    "result",
    ["bytes", "not a number", "half a character", "a loop", "nothing", "no object", "a key of the SDK's", "a defect"],
)
def test_a_result_that_can_t_be_sent_fails_its_job_and_no_other(
    endpoint: Endpoint, queue: QueueStandIn, result: str
) -> None:
    job_id = endpoint.run({"result": result})
    answer = endpoint.ended(job_id)
    assert error_of(answer)["code"] == "internal_error"
    assert KEY not in str(answer)
    assert __file__.rpartition("/")[0] not in str(answer)
    assert [post.is_progress for post in queue.posts(job_id)] == [True, False]


def test_a_defect_is_told_to_the_log_alone_and_without_the_key(endpoint: Endpoint, worker: Worker) -> None:
    endpoint.error({"result": "a defect"})
    assert "RuntimeError" in worker.log()
    worker.assert_secrets_kept()
