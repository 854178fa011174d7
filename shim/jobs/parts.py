"""What jobs that are done later take, put together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from engine.cancel import CancelToken
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from shim.ground import Ground
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.keeper import JobKeeper, Keeping
from shim.jobs.later import LaterJobs
from shim.jobs.record import AcceptedJob
from shim.jobs.replicas import Replica
from shim.jobs.report import JobReports
from shim.webhooks.delivery import Delivering, Delivery
from shim.webhooks.posting import Posting
from shim.webhooks.signature import WebhookSecrets


@dataclass(frozen=True)
class JobParts:
    """``start`` them after the backend, and ``close`` them before it."""

    accepted: AcceptedJobs
    keeper: JobKeeper
    reports: JobReports
    later: LaterJobs
    delivery: Delivery
    secrets: WebhookSecrets

    @classmethod
    def of(cls, ground: Ground) -> Self:
        """Those of this server, under a name of its own."""
        accepted, replica = AcceptedJobs(ground.store, ground.now), Replica(ground.store)
        secrets = WebhookSecrets(ground.secret)
        fetcher = GuardedFetcher(FetchPolicy(frozenset(ground.settings.allowed_private_hosts)))
        posting = Posting(fetcher, CancelToken())

        def told(job: AcceptedJob) -> dict[str, Any]:
            caller = job.caller.caller()
            reply = reports.reply(reports.find(job.job_id, caller), caller)
            return reply.model_dump(mode="json", exclude_none=True, exclude={"webhook"})

        delivery = Delivery(Delivering(accepted, posting, secrets, told, replica.name, ground.now))
        keeping = Keeping(
            ground.backend, ground.turnstile, accepted, ground.records, replica, delivery.deliver, ground.now
        )
        keeper = JobKeeper(keeping)
        reports = JobReports(ground.store, ground.records, accepted, ground.links, keeper.position, ground.now)
        later = LaterJobs(keeper, reports, ground.keyed, posting, replica.name, ground.now, ground.consent)
        return cls(accepted, keeper, reports, later, delivery, secrets)

    def start(self) -> None:
        self.keeper.start()

    async def close(self) -> None:
        await self.keeper.close()
        await asyncio.to_thread(self.delivery.close)
