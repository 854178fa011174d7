from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from engine.endpoint.client import EndpointAddress, RunPodEndpoint
from engine.endpoint.job_state import JobError, JobState
from engine.endpoint.operations import MAX_RUN_BYTES, Policy
from engine.errors import ConfigurationError, Conflict, EngineError, InvalidInput
from engine.outages import Overloaded, QueueUnavailable
from engine.settings import Settings
from tests.endpoint.blocking import Blocking, Pauses, address_of, plain_client
from tests.endpoint.wire_worker import WireWorker
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn

Client = RunPodEndpoint | Blocking
Open = Callable[[EndpointAddress], Client]

CUT = Fault()
ALL_PAUSES = [0.25, 0.5, 1.0]
UNKNOWN_JOB = "00000000-0000-0000-0000-000000000000-e1"


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture(params=["blocking", "async"])
def opened(request: pytest.FixtureRequest, pauses: Pauses) -> Iterator[Open]:
    """Opens a client of either kind."""
    clients: list[Client] = []

    def open_client(address: EndpointAddress) -> Client:
        if request.param == "async":
            clients.append(Blocking(address, pauses.sleep_awaited))
        else:
            clients.append(plain_client(address, pauses.sleep))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def endpoint(opened: Open, queue: QueueStandIn) -> Client:
    return opened(address_of(queue))


@pytest.fixture
def worker(queue: QueueStandIn) -> Iterator[WireWorker]:
    worker = WireWorker(queue)
    yield worker
    worker.close()


def test_a_job_goes_from_queue_to_result(endpoint: Client, worker: WireWorker) -> None:
    queued = endpoint.run({"text": "Grüße"})
    assert queued.status == "IN_QUEUE"
    assert endpoint.status(queued.id) == JobState(queued.id, "IN_QUEUE")
    assert worker.take_until(queued.id)["input"] == {"text": "Grüße"}
    worker.post(queued.id, {"status": "IN_PROGRESS", "output": {"progress": 0.5}})
    running = endpoint.status(queued.id)
    assert running is not None
    assert (running.status, running.output, running.worker_id) == ("IN_PROGRESS", {"progress": 0.5}, "wire")
    worker.post(queued.id, {"output": {"video_url": "u"}})
    done = endpoint.status(queued.id)
    assert done is not None
    assert (done.status, done.output, done.final) == ("COMPLETED", {"video_url": "u"}, True)
    assert done.delay_ms is not None
    assert done.execution_ms is not None


def test_what_belongs_to_the_job_travels_with_it(endpoint: Client, worker: WireWorker) -> None:
    policy = Policy(execution_timeout_ms=60_000, ttl_ms=120_000, low_priority=True)
    queued = endpoint.run({"text": "a"}, policy, "https://hook.example/done", {"bucketName": "theirs"})
    job = worker.take_until(queued.id)
    assert job["policy"] == {"executionTimeout": 60_000, "ttl": 120_000, "lowPriority": True}
    assert (job["webhook"], job["s3Config"]) == ("https://hook.example/done", {"bucketName": "theirs"})
    plain = endpoint.run({"text": "b"}, Policy(ttl_ms=10_000))
    job = worker.take_until(plain.id)
    assert job["policy"] == {"ttl": 10_000}
    assert not {"webhook", "s3Config"} & set(job)


def test_a_failed_job_tells_its_error_and_can_be_queued_again(endpoint: Client, worker: WireWorker) -> None:
    queued = endpoint.run({"text": "a"})
    worker.take_until(queued.id)
    error = {"code": "storage_unavailable", "message": "Later.", "retryable": True, "request_id": queued.id}
    worker.post(queued.id, {"error": json.dumps(error)})
    failed = endpoint.status(queued.id)
    assert failed is not None
    assert (failed.status, failed.error) == ("FAILED", JobError.model_validate(error))
    again = endpoint.retry(queued.id)
    assert again is not None
    assert (again.id, again.status) == (queued.id, "IN_QUEUE")


def test_a_job_is_cancelled_and_stays_so(endpoint: Client) -> None:
    queued = endpoint.run({"text": "a"})
    for _ in range(2):
        cancelled = endpoint.cancel(queued.id)
        assert cancelled is not None
        assert (cancelled.id, cancelled.status) == (queued.id, "CANCELLED")
    with pytest.raises(Conflict):
        endpoint.retry(queued.id)


def test_a_job_that_the_queue_has_forgotten_is_none(endpoint: Client, queue: QueueStandIn) -> None:
    queued = endpoint.run({"text": "a"})
    queue.end(queued.id, "COMPLETED", {"x": 1})
    queue.forget(queued.id)
    assert endpoint.status(queued.id) is None
    assert endpoint.cancel(queued.id) is None
    assert endpoint.retry(queued.id) is None
    assert endpoint.status(UNKNOWN_JOB) is None


@pytest.mark.parametrize("job_id", ["", "..", "../health", "a/b", "a?b=c", "ä", "a\n", "x" * 129])
def test_what_is_no_id_never_reaches_the_queue(endpoint: Client, queue: QueueStandIn, job_id: str) -> None:
    assert endpoint.status(job_id) is None
    assert endpoint.cancel(job_id) is None
    assert endpoint.retry(job_id) is None
    assert not queue.faults.asked


def test_health_counts_jobs_and_workers(endpoint: Client, worker: WireWorker) -> None:
    before = endpoint.health()
    queued = endpoint.run({"text": "a"})
    assert endpoint.health().jobs.in_queue == before.jobs.in_queue + 1
    worker.take_until(queued.id)
    health = endpoint.health()
    assert health.workers.running == 1
    assert health.jobs.in_progress >= 1
    worker.post(queued.id, {"output": 1})
    assert endpoint.health().jobs.completed == before.jobs.completed + 1


@pytest.mark.parametrize("fault", [CUT, Fault(500), Fault(502, "<html>"), Fault(503), Fault(408), Fault(200, "<html>")])
def test_a_question_is_asked_again_until_it_is_answered(
    endpoint: Client, queue: QueueStandIn, pauses: Pauses, fault: Fault
) -> None:
    queued = endpoint.run({"text": "a"})
    queue.faults.plan("status", fault, fault, fault)
    assert endpoint.status(queued.id) == JobState(queued.id, "IN_QUEUE")
    assert pauses.seconds == ALL_PAUSES


@pytest.mark.parametrize("fault", [CUT, Fault(500), Fault(503), Fault(200, "[1]"), Fault(200, '{"id": 5}')])
def test_a_queue_that_stays_away_is_unavailable(
    endpoint: Client, queue: QueueStandIn, pauses: Pauses, fault: Fault
) -> None:
    queue.faults.plan("health", *[fault] * 5)
    with pytest.raises(QueueUnavailable) as raised:
        endpoint.health()
    assert (raised.value.retryable, raised.value.http_status) == (True, 503)
    assert queue.faults.asked["health"] == 4
    assert pauses.seconds == ALL_PAUSES


@pytest.mark.parametrize("fault", [Fault(503), Fault(429)])
def test_a_job_that_the_queue_did_not_take_is_submitted_again(
    endpoint: Client, queue: QueueStandIn, pauses: Pauses, fault: Fault
) -> None:
    queue.faults.plan("run", fault, fault)
    queued = endpoint.run({"text": "only once"})
    assert queue.faults.asked["run"] == 3
    assert pauses.seconds == ALL_PAUSES[:2]
    assert queued.id in queue.inputs()


@pytest.mark.parametrize("fault", [Fault(taken=True), Fault(500, taken=True), Fault(504), Fault(200, "<html>")])
def test_a_job_that_the_queue_may_have_taken_is_not_submitted_again(
    endpoint: Client, queue: QueueStandIn, pauses: Pauses, fault: Fault
) -> None:
    before = len(queue.inputs())
    queue.faults.plan("run", fault)
    with pytest.raises(QueueUnavailable):
        endpoint.run({"text": "a"})
    assert (queue.faults.asked["run"], pauses.seconds) == (1, [])
    assert len(queue.inputs()) - before == int(fault.taken)


def test_a_retry_that_the_queue_may_have_taken_is_not_sent_again(endpoint: Client, queue: QueueStandIn) -> None:
    queued = endpoint.run({"text": "a"})
    queue.end(queued.id, "TIMED_OUT")
    queue.faults.plan("retry", Fault(taken=True))
    with pytest.raises(QueueUnavailable):
        endpoint.retry(queued.id)
    assert queue.faults.asked["retry"] == 1


def test_a_cancel_whose_answer_is_lost_is_sent_again(endpoint: Client, queue: QueueStandIn) -> None:
    queued = endpoint.run({"text": "a"})
    queue.faults.plan("cancel", Fault(taken=True))
    cancelled = endpoint.cancel(queued.id)
    assert cancelled is not None
    assert cancelled.status == "CANCELLED"
    assert queue.faults.asked["cancel"] == 2


def test_a_job_is_submitted_again_where_nobody_listened(opened: Open, pauses: Pauses) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint = opened(EndpointAddress(ENDPOINT, SecretStr(KEY), f"http://127.0.0.1:{port}/v2"))
    with pytest.raises(QueueUnavailable, match="ConnectError"):
        endpoint.run({"text": "a"})
    assert pauses.seconds == ALL_PAUSES


def test_a_short_wait_that_the_queue_asks_for_is_kept(endpoint: Client, queue: QueueStandIn, pauses: Pauses) -> None:
    queue.faults.plan("health", Fault(429, headers={"Retry-After": "3"}))
    endpoint.health()
    assert pauses.seconds == [3.0]


def test_a_long_wait_is_left_to_the_caller(endpoint: Client, queue: QueueStandIn, pauses: Pauses) -> None:
    queue.faults.plan("run", Fault(429, headers={"Retry-After": "30"}))
    with pytest.raises(Overloaded) as raised:
        endpoint.run({"text": "a"})
    assert (raised.value.retry_after, raised.value.retryable, pauses.seconds) == (30.0, True, [])


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_an_odd_wait_is_not_kept(endpoint: Client, queue: QueueStandIn, pauses: Pauses, value: str) -> None:
    queue.faults.plan("health", *[Fault(429, headers={"Retry-After": value})] * 4)
    with pytest.raises(Overloaded) as raised:
        endpoint.health()
    assert (raised.value.retry_after, pauses.seconds) == (None, ALL_PAUSES)


def test_a_wrong_key_is_the_operators_fault(opened: Open, queue: QueueStandIn, pauses: Pauses) -> None:
    endpoint = opened(address_of(queue, key="rpa_another"))
    for ask in (endpoint.health, lambda: endpoint.run({"text": "a"}), lambda: endpoint.status(UNKNOWN_JOB)):
        with pytest.raises(ConfigurationError, match="RUNPOD_API_KEY"):
            ask()
    assert pauses.seconds == []


def test_an_endpoint_that_is_not_there_is_the_operators_fault(opened: Open, queue: QueueStandIn) -> None:
    endpoint = opened(address_of(queue, endpoint_id="another"))
    for ask in (endpoint.health, lambda: endpoint.run({"text": "a"})):
        with pytest.raises(ConfigurationError, match="RUNPOD_ENDPOINT_ID"):
            ask()


@pytest.mark.parametrize("fault", [Fault(302, headers={"Location": "/v2/ep1/health"}), Fault(405), Fault(400)])
def test_something_else_in_runpods_place_is_the_operators_fault(
    endpoint: Client, queue: QueueStandIn, fault: Fault
) -> None:
    queue.faults.plan("health", fault)
    with pytest.raises(ConfigurationError, match="RUNPOD_API_BASE_URL"):
        endpoint.health()
    assert queue.faults.asked["health"] == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_job_that_the_queue_refuses_is_the_callers_fault(endpoint: Client, queue: QueueStandIn, status: int) -> None:
    queue.faults.plan("run", Fault(status))
    with pytest.raises(InvalidInput):
        endpoint.run({"text": "a"})


@pytest.mark.parametrize("job_input", [{"text": "x" * MAX_RUN_BYTES}, {"text": "\ud800"}, {"start": float("nan")}])
def test_a_job_that_the_queue_could_not_take_never_reaches_it(
    endpoint: Client, queue: QueueStandIn, job_input: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        endpoint.run(job_input)
    assert not queue.faults.asked


def test_a_job_as_large_as_the_queue_takes_is_taken(endpoint: Client, queue: QueueStandIn) -> None:
    room = MAX_RUN_BYTES - len(json.dumps({"input": {"text": ""}}))
    queued = endpoint.run({"text": "x" * room})
    assert len(queue.inputs()[queued.id]["text"]) == room
    queue.forget(queued.id)


def test_neither_the_key_nor_the_job_is_ever_shown(
    endpoint: Client, queue: QueueStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"accessSecret": "their-bucket-secret"}
    caplog.set_level(logging.DEBUG)
    shown = [repr(endpoint), repr(address_of(queue)), str(address_of(queue))]
    for fault in (Fault(503), CUT, Fault(401), Fault(429, headers={"Retry-After": "99"}), Fault(200, "no")):
        queue.faults.plan("run", fault)
        try:
            endpoint.run({"text": "a"}, s3_config=secret)
        except EngineError as error:
            shown += [repr(error), error.message, *traceback.format_exception(error)]
    assert len(shown) > 10
    everything = caplog.text + "".join(shown)
    assert "/v2/ep1/run" in everything
    assert KEY not in everything
    assert "their-bucket-secret" not in everything


def test_settings_name_the_endpoint() -> None:
    settings = Settings(
        runpod_endpoint_id=" ep1 ", runpod_api_key=SecretStr(KEY), runpod_api_base_url="http://localhost:9/v2/"
    )
    address = EndpointAddress.of(settings)
    assert address == EndpointAddress("ep1", SecretStr(KEY), "http://localhost:9/v2")
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    "given", [{}, {"RUNPOD_ENDPOINT_ID": "ep1"}, {"RUNPOD_API_KEY": KEY, "RUNPOD_ENDPOINT_ID": " "}]
)
def test_half_of_the_settings_name_no_endpoint(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert EndpointAddress.of(Settings()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNPOD_ENDPOINT_ID", "../other"),
        ("RUNPOD_API_KEY", "rpa_ä"),
        ("RUNPOD_API_KEY", "rpa_a\r\nX-Other: 1"),
        ("RUNPOD_API_BASE_URL", "ftp://x"),
        ("RUNPOD_API_BASE_URL", "https://user:pass@api.runpod.ai/v2"),
    ],
)
def test_wrong_settings_are_refused_without_being_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()) as raised:
        Settings()
    assert value not in str(raised.value)


def test_an_address_that_is_none_is_the_operators_fault() -> None:
    with pytest.raises(ConfigurationError, match="RUNPOD_ENDPOINT_ID"):
        EndpointAddress("../other", SecretStr(KEY))
