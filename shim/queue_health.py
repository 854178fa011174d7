"""How an endpoint and its workers are, without a job for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict

from engine.boot_record import BootRecord, newest_boot_record
from engine.endpoint.client import AsyncRunPodEndpoint
from engine.endpoint.job_state import EndpointHealth
from engine.errors import EngineError
from engine.schemas import HealthReply
from engine.store.protocol import ObjectStore

FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 3.0
"""The endpoint's word is worth waiting for, but no client waits long for it."""

NO_WORKER = "none"
"""The device and the renderer of an endpoint that has had no worker yet."""

log = logging.getLogger(__name__)


class QueueHealth:
    """What the newest worker was when it began, and what the endpoint counts; looked up at most every FRESH_SECONDS.

    Unhealthy: the queue doesn't answer or refuses the key. An endpoint without a worker is healthy: one comes with
    the first job.
    """

    def __init__(
        self, endpoint: AsyncRunPodEndpoint, store: ObjectStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._clock = clock
        self._looking = asyncio.Lock()
        self._last: tuple[float, HealthReply] | None = None

    async def reply(self) -> HealthReply:
        """Raises what the store raises. Of all who ask while it is looked up again, one waits."""
        if self._last is not None and self._looking.locked():
            return self._last[1]
        async with self._looking:
            now = self._clock()
            if self._last is None or now - self._last[0] >= FRESH_SECONDS:
                self._last = (now, await self._look())
            return self._last[1]

    async def _look(self) -> HealthReply:
        counted, worker = await asyncio.gather(self._counted(), asyncio.to_thread(newest_boot_record, self._store))
        return _reply(counted, worker)

    async def _counted(self) -> EndpointHealth | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._endpoint.health()
        except TimeoutError:
            log.warning("The endpoint has not told its health within %.0f s.", PATIENCE_SECONDS)
        except EngineError as error:
            log.warning("The endpoint's health is not known: %s", error.message)
        return None


def _reply(counted: EndpointHealth | None, worker: BootRecord | None) -> HealthReply:
    return HealthReply(
        status="unhealthy" if counted is None else "healthy",
        device=NO_WORKER if worker is None else worker.device,
        cuda_available=worker is not None and worker.cuda_available,
        models_loaded=worker is not None and worker.models_loaded,
        renderer=NO_WORKER if worker is None else worker.renderer,
        versions={} if worker is None else worker.versions,
        workers=None if counted is None else asdict(counted.workers),
        jobs=None if counted is None else asdict(counted.jobs),
    )
