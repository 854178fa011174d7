"""Telling a job's end to the address that its caller has named: again and again, until it is heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shim.jobs.accepted import AcceptedJobs
from shim.jobs.record import AcceptedJob, Attempt, Webhook
from shim.webhooks.posting import Answer, Posting
from shim.webhooks.signature import WebhookSecrets

SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600))
"""How long after each failed attempt the next one follows; all within a day, while the outputs are there by default."""

AT_A_TIME = 8
"""Messages on their way: a receiver that takes its time holds up none of the server's other work."""


@dataclass(frozen=True)
class Delivering:
    """What delivering takes. told: the job as its caller would be told it, ready for JSON; it blocks.

    holder: this server's name, which a job has whose end it is to tell.
    """

    accepted: AcceptedJobs
    posting: Posting
    secrets: WebhookSecrets
    told: Callable[[AcceptedJob], dict[str, Any]]
    holder: str
    now: Callable[[], datetime]
    schedule: Sequence[timedelta] = SCHEDULE


class Delivery:
    """Used in one event loop."""

    def __init__(self, delivering: Delivering) -> None:
        self._with = delivering
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="webhook")

    async def deliver(self, job_id: str) -> bool:
        """Tell the job's end, and return when nothing is left to tell; False when another server sees to it now."""
        while True:
            job = await asyncio.to_thread(self._with.accepted.get, job_id)
            if job is None or job.next_delivery is None:
                return True
            if job.holder != self._with.holder:
                return False
            wait = (job.next_delivery - self._with.now()).total_seconds()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                await self._attempt(job)

    def close(self) -> None:
        """Break off what is on its way, which nobody waits for any more; it is sent again by whoever sees to the job
        then."""
        self._with.posting.stop.cancel()
        self._threads.shutdown(cancel_futures=True)

    async def _attempt(self, job: AcceptedJob) -> None:
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._send, job)
        noted = partial(noted_answer, answer=answer, now=self._with.now(), schedule=self._with.schedule)
        await asyncio.to_thread(self._with.accepted.change, job.job_id, noted)

    def _send(self, job: AcceptedJob) -> Answer:
        assert job.webhook is not None
        assert job.ended_at is not None
        body = json.dumps(
            {"type": f"job.{job.state}", "timestamp": job.ended_at.isoformat(), "data": self._with.told(job)}
        ).encode()
        message_id = job.webhook.message_id
        headers = self._with.secrets.headers(job.caller.owner, message_id, self._with.now(), body)
        return self._with.posting.post(job.webhook.url, body, headers)


def noted_answer(job: AcceptedJob, answer: Answer, now: datetime, schedule: Sequence[timedelta]) -> AcceptedJob:
    """The job with one attempt more, and what comes of it."""
    if job.webhook is None:
        return job
    attempts = (*job.webhook.attempts, Attempt(at=now, status=answer.status, error=answer.error))
    webhook = job.webhook.model_copy(update={"attempts": attempts})
    return job.model_copy(update={"webhook": _after(webhook, answer, now, schedule)})


def _after(webhook: Webhook, answer: Answer, now: datetime, schedule: Sequence[timedelta]) -> Webhook:
    if answer.is_taken:
        return webhook.model_copy(update={"state": "delivered", "next_at": None})
    tries = len(webhook.attempts)
    if answer.is_unwanted or tries > len(schedule):
        return webhook.model_copy(update={"state": "given_up", "next_at": None})
    return webhook.model_copy(update={"next_at": now + schedule[tries - 1]})
