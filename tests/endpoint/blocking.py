"""Both clients with one face: the asynchronous one is run until each call is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from engine.endpoint.client import AsyncRunPodEndpoint, EndpointAddress, RunPodEndpoint
from engine.endpoint.job_state import EndpointHealth, JobState, JsonObject, QueuedJob
from engine.endpoint.operations import Policy
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn

T = TypeVar("T")


def address_of(queue: QueueStandIn, endpoint_id: str = ENDPOINT, key: str = KEY) -> EndpointAddress:
    return EndpointAddress(endpoint_id, SecretStr(key), queue.url.removesuffix(f"/{ENDPOINT}"))


class Pauses:
    """Notes each pause in place of making it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)

    async def sleep_awaited(self, seconds: float) -> None:
        self.seconds.append(seconds)


def middle() -> float:
    """The jitter that leaves pauses as they are stated."""
    return 0.5


def plain_client(address: EndpointAddress, sleep: Callable[[float], None]) -> RunPodEndpoint:
    return RunPodEndpoint(address, httpx.Client(timeout=5, trust_env=False), sleep, middle)


class Blocking:
    """An AsyncRunPodEndpoint to be called like a RunPodEndpoint."""

    def __init__(self, address: EndpointAddress, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._runner = asyncio.Runner()
        http = httpx.AsyncClient(timeout=5, trust_env=False)
        self._endpoint = AsyncRunPodEndpoint(address, http, sleep, middle)

    def close(self) -> None:
        self._await(self._endpoint.close())
        self._runner.close()

    def run(
        self,
        job_input: JsonObject,
        policy: Policy | None = None,
        webhook: str | None = None,
        s3_config: JsonObject | None = None,
    ) -> QueuedJob:
        return self._await(self._endpoint.run(job_input, policy, webhook, s3_config))

    def status(self, job_id: str) -> JobState | None:
        return self._await(self._endpoint.status(job_id))

    def cancel(self, job_id: str) -> JobState | None:
        return self._await(self._endpoint.cancel(job_id))

    def retry(self, job_id: str) -> QueuedJob | None:
        return self._await(self._endpoint.retry(job_id))

    def health(self) -> EndpointHealth:
        return self._await(self._endpoint.health())

    def _await(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)
