"""RunPod's queue as its clients use it: one endpoint, over HTTP.

Both clients raise ConfigurationError when RunPod refuses the key or has no such endpoint, Overloaded when it takes no
more requests for the moment, and QueueUnavailable when it doesn't answer as it should. They ask again by themselves
for a few seconds, but never where a job could be queued twice by it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import Self, TypeVar

import httpx
from pydantic import SecretStr

from engine.endpoint import operations
from engine.endpoint.answers import Failed, no_answer, result_of
from engine.endpoint.job_state import EndpointHealth, JobState, JsonObject, QueuedJob
from engine.endpoint.operations import Operation, Policy, is_job_id
from engine.errors import ConfigurationError
from engine.settings import Settings

RUNPOD_API = "https://api.runpod.ai/v2"

TIMEOUT = httpx.Timeout(connect=5, read=15, write=30, pool=5)

_CHANCE = SystemRandom()
_ENDPOINT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Jitter = Callable[[], float]
"""Gives a number from 0 to 1."""


@dataclass(frozen=True)
class EndpointAddress:
    """Where the endpoint is and what opens it."""

    endpoint_id: str
    api_key: SecretStr
    base_url: str = RUNPOD_API

    def __post_init__(self) -> None:
        if not _ENDPOINT_ID.fullmatch(self.endpoint_id):
            raise ConfigurationError("RUNPOD_ENDPOINT_ID has to be an endpoint's id, such as `4xk2b9vq1zt8mn`.")

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """As the settings say; None unless they hold both the endpoint's id and a key."""
        if settings.runpod_endpoint_id is None or settings.runpod_api_key is None:
            return None
        return cls(settings.runpod_endpoint_id, settings.runpod_api_key, settings.runpod_api_base_url)

    def request(self, operation: Operation[Result], client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        headers = {"Authorization": f"Bearer {self.api_key.get_secret_value()}", "Content-Type": "application/json"}
        url = f"{self.base_url}/{self.endpoint_id}/{operation.path}"
        return client.build_request(operation.method, url, content=operation.body, headers=headers)


class RunPodEndpoint:
    """Asks the endpoint and waits for its answer. May be used by several threads at once."""

    def __init__(
        self,
        address: EndpointAddress,
        client: httpx.Client,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Jitter = _CHANCE.random,
    ) -> None:
        self._address = address
        self._client = client
        self._sleep = sleep
        self._jitter = jitter

    @classmethod
    def over_network(cls, address: EndpointAddress) -> Self:
        """With an HTTP client of its own."""
        return cls(address, httpx.Client(timeout=TIMEOUT))

    def close(self) -> None:
        self._client.close()

    def run(
        self,
        job_input: JsonObject,
        policy: Policy | None = None,
        webhook: str | None = None,
        s3_config: JsonObject | None = None,
    ) -> QueuedJob:
        """Queue a job. Raises InvalidInput when it is larger than the queue takes, or refused by it."""
        return self._result(operations.run(job_input, policy, webhook, s3_config))

    def status(self, job_id: str) -> JobState | None:
        """How the job is; None when the queue has none of that id, or no more."""
        return self._result(operations.status(job_id)) if is_job_id(job_id) else None

    def cancel(self, job_id: str) -> JobState | None:
        """Stop the job, unless it has ended; None when the queue has none of that id, or no more."""
        return self._result(operations.cancel(job_id)) if is_job_id(job_id) else None

    def retry(self, job_id: str) -> QueuedJob | None:
        """Queue a job once more that failed or timed out; None when the queue has none of that id, or no more.

        Raises Conflict when the job is in another status.
        """
        return self._result(operations.retry(job_id)) if is_job_id(job_id) else None

    def health(self) -> EndpointHealth:
        return self._result(operations.health())

    def _result(self, operation: Operation[Result]) -> Result:
        attempt = 0
        while True:
            try:
                return self._attempt(operation)
            except Failed as failed:
                pause = _pause(failed, attempt, self._jitter)
            self._sleep(pause)
            attempt += 1

    def _attempt(self, operation: Operation[Result]) -> Result:
        request = self._address.request(operation, self._client)
        try:
            response = self._client.send(request, follow_redirects=False)
        except httpx.RequestError as error:
            raise no_answer(operation, error) from error
        return result_of(operation, response)


class AsyncRunPodEndpoint:
    """RunPodEndpoint for an event loop: the same methods, awaited."""

    def __init__(
        self,
        address: EndpointAddress,
        client: httpx.AsyncClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Jitter = _CHANCE.random,
    ) -> None:
        self._address = address
        self._client = client
        self._sleep = sleep
        self._jitter = jitter

    @classmethod
    def over_network(cls, address: EndpointAddress) -> Self:
        """With an HTTP client of its own."""
        return cls(address, httpx.AsyncClient(timeout=TIMEOUT))

    async def close(self) -> None:
        await self._client.aclose()

    async def run(
        self,
        job_input: JsonObject,
        policy: Policy | None = None,
        webhook: str | None = None,
        s3_config: JsonObject | None = None,
    ) -> QueuedJob:
        """As RunPodEndpoint.run."""
        return await self._result(operations.run(job_input, policy, webhook, s3_config))

    async def status(self, job_id: str) -> JobState | None:
        """As RunPodEndpoint.status."""
        return await self._result(operations.status(job_id)) if is_job_id(job_id) else None

    async def cancel(self, job_id: str) -> JobState | None:
        """As RunPodEndpoint.cancel."""
        return await self._result(operations.cancel(job_id)) if is_job_id(job_id) else None

    async def retry(self, job_id: str) -> QueuedJob | None:
        """As RunPodEndpoint.retry."""
        return await self._result(operations.retry(job_id)) if is_job_id(job_id) else None

    async def health(self) -> EndpointHealth:
        return await self._result(operations.health())

    async def _result(self, operation: Operation[Result]) -> Result:
        attempt = 0
        while True:
            try:
                return await self._attempt(operation)
            except Failed as failed:
                pause = _pause(failed, attempt, self._jitter)
            await self._sleep(pause)
            attempt += 1

    async def _attempt(self, operation: Operation[Result]) -> Result:
        request = self._address.request(operation, self._client)
        try:
            response = await self._client.send(request, follow_redirects=False)
        except httpx.RequestError as error:
            raise no_answer(operation, error) from error
        return result_of(operation, response)


def _pause(failed: Failed, attempt: int, jitter: Jitter) -> float:
    """Seconds until the next attempt; raises the error when there is to be none."""
    pause = failed.pause(attempt, jitter())
    if pause is None:
        raise failed.error from failed
    log.info("%s Asking again in %.1f s.", failed.error.message, pause)
    return pause
