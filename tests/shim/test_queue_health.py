"""Health in front of an endpoint."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from engine.boot_record import BootRecord, write_boot_record
from engine.endpoint.client import AsyncRunPodEndpoint, EndpointAddress
from engine.schemas import HealthReply
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo
from shim.queue_health import FRESH_SECONDS, QueueHealth
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn

WORKER = HealthReply(
    device="cuda", cuda_available=True, models_loaded=True, renderer="musetalk", versions={"python": "3.11"}
)


@pytest.fixture
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def replies(queue: QueueStandIn, store: LocalStore, *moments: float, key: str = KEY) -> list[HealthReply]:
    """What it replies at each moment, in seconds."""
    times = iter(moments)
    address = EndpointAddress(ENDPOINT, SecretStr(key), queue.url.removesuffix(f"/{ENDPOINT}"))

    async def ask() -> list[HealthReply]:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            health = QueueHealth(AsyncRunPodEndpoint(address, client), store, lambda: next(times))
            return [await health.reply() for _ in moments]

    return asyncio.run(ask())


def leave_record(store: LocalStore) -> None:
    write_boot_record(store, BootRecord.of("pod1", WORKER, {}, datetime.now(UTC)))


def test_it_tells_what_the_newest_worker_was(queue: QueueStandIn, store: LocalStore) -> None:
    leave_record(store)
    reply = replies(queue, store, 0.0)[0].model_dump()
    assert {name: reply.pop(name) for name in ("workers", "jobs")}["jobs"]["in_queue"] == 0
    assert reply == WORKER.model_dump()
    assert queue.inputs() == {}


def test_an_endpoint_that_has_had_no_worker_says_so(queue: QueueStandIn, store: LocalStore) -> None:
    reply = replies(queue, store, 0.0)[0]
    assert (reply.status, reply.device, reply.renderer) == ("healthy", "none", "none")
    assert not reply.models_loaded
    assert not reply.cuda_available


def test_it_is_looked_up_again_after_a_while(queue: QueueStandIn, store: LocalStore) -> None:
    queue.faults.plan("health", Fault(401))
    first, second, third = replies(queue, store, 0.0, FRESH_SECONDS - 0.1, FRESH_SECONDS)
    assert first is second
    assert (first.status, third.status) == ("unhealthy", "healthy")
    assert queue.faults.asked["health"] == 2


class SlowStore(LocalStore):
    """A listing waits until it may ``go`` on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = threading.Event()
        self.go.set()

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[ObjectInfo]:
        assert self.go.wait(10)
        return super().list(prefix, after, limit)


def test_one_of_many_waits_while_it_is_looked_up_again(queue: QueueStandIn, tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    times = iter((0.0, FRESH_SECONDS))
    address = EndpointAddress(ENDPOINT, SecretStr(KEY), queue.url.removesuffix(f"/{ENDPOINT}"))

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            health = QueueHealth(AsyncRunPodEndpoint(address, client), store, lambda: next(times))
            first = await health.reply()
            store.go.clear()
            looking = asyncio.create_task(health.reply())
            await asyncio.sleep(0)
            async with asyncio.timeout(5):
                for _ in range(3):
                    assert await health.reply() is first
            store.go.set()
            assert await looking is not first

    asyncio.run(ask())


def test_a_refused_key_is_unhealthy(queue: QueueStandIn, store: LocalStore) -> None:
    leave_record(store)
    reply = replies(queue, store, 0.0, key="another")[0]
    assert (reply.status, reply.device, reply.workers) == ("unhealthy", "cuda", None)
    assert "workers" not in reply.model_dump()
