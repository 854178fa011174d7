"""Generates that are asked for with `?async=true`: answered at once, and done later."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response

from engine.avatar.key import canonical_hash, text_sha256
from engine.errors import InvalidInput
from engine.job_ids import session_of_job
from engine.jobs import JobName
from engine.schemas import Generate
from shim.asked import WEBHOOK_FIELD, Asked
from shim.avatars.consent import Consent
from shim.browsers.reach import demand_own_video
from shim.callers import Caller, caller_of
from shim.jobs.keeper import JobKeeper
from shim.jobs.record import AcceptedJob, JobCaller, Webhook
from shim.jobs.replies import JobReply
from shim.jobs.report import JobReports
from shim.keyed_requests import KeyedRequests, RequestKey
from shim.webhooks.posting import Posting
from shim.webhooks.routes import demand_no_browser

JOBS = "/api/v1/jobs"

ASYNC_REPLIES: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobReply,
        "description": "With `?async=true`: the job is kept and will be done. `Location` is where it is polled.",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
    }
}

IsAsync = Annotated[
    bool,
    Query(
        alias="async",
        description="`true`: answer 202 at once, and make the video later. The body may then have `webhook_url`.",
    ),
]

_KEPT = TypeAdapter(dict[str, str])
"""The id of the job that a request with a key has become."""


@dataclass(frozen=True)
class LaterJobs:
    """Accepts what is to be done later. ``holder``: this server's name. ``now`` gives the time in UTC."""

    keeper: JobKeeper
    reports: JobReports
    keyed: KeyedRequests
    posting: Posting
    holder: str
    now: Callable[[], datetime]
    consent: Consent

    async def accept(self, request: Request, body: dict[str, Any]) -> Response:
        """202 with the job. Raises all that can be known at once to be wrong with it, or to stand against it."""
        caller = caller_of(request.scope)
        self.consent.demand_of_body(body, caller)
        webhook_url = await self._webhook_url(body, caller)
        asked = Asked.of({name: value for name, value in body.items() if name != WEBHOOK_FIELD}, caller.owner)
        # The turnstile does too, but what is possible is looked at before.
        demand_own_video(caller, asked.request)
        # A key that came without `?async=true` before came with another request.
        key = RequestKey.of(request, {**body, "?async": True})
        if key is None:
            kept = await self._kept(caller, _named(asked), webhook_url)
        else:
            kept = await self.keyed.once(key, _KEPT, lambda name: self._kept(caller, asked.named(name), webhook_url))
        job_id = kept["job_id"]
        found = await asyncio.to_thread(self.reports.find, job_id, caller)
        reply = self.reports.reply(found, caller).model_dump(mode="json", exclude_none=True)
        return JSONResponse(reply, 202, {"Location": f"{JOBS}/{job_id}"})

    async def _webhook_url(self, body: dict[str, Any], caller: Caller) -> str | None:
        url = body.get(WEBHOOK_FIELD)
        if url is None:
            return None
        demand_no_browser(caller)
        if not isinstance(url, str):
            raise InvalidInput(f"`{WEBHOOK_FIELD}` has to be an address, such as https://example.com/hooks/avatar.")
        await asyncio.to_thread(self.posting.check, url)
        return url

    async def _kept(self, caller: Caller, asked: Asked, webhook_url: str | None) -> dict[str, str]:
        request = asked.request.model_copy(update={"stream": True})
        new = await asyncio.to_thread(self._new, caller, asked, request, webhook_url)
        job = await self.keeper.accept(new, request, caller)
        return {"job_id": job.job_id}

    def _new(self, caller: Caller, asked: Asked, request: Generate, webhook_url: str | None) -> AcceptedJob:
        now = self.now()
        return AcceptedJob(
            job_id=asked.job_id,
            session_id=request.session_id or session_of_job(asked.job_id),
            caller=JobCaller.of(caller),
            body_hash=_hash_of(request, webhook_url),
            holder=self.holder,
            metadata=request.metadata,
            warnings=tuple(asked.warnings),
            webhook=None if webhook_url is None else Webhook(url=webhook_url, message_id=f"msg_{uuid.uuid4().hex}"),
            heartbeat=now,
            created=now,
            updated=now,
        )


def _named(asked: Asked) -> Asked:
    """The job of the caller's own `idempotency_key`, or a new one."""
    key = asked.request.idempotency_key
    if key is None:
        return asked.named(str(uuid.uuid4()))
    return replace(asked, job_id=JobName.of_idempotency_key(key, key, asked.request.owner).record_id)


def _hash_of(request: Generate, webhook_url: str | None) -> str:
    """Equal for equal requests. A sound of many megabytes goes in by its own hash."""
    fields = request.model_dump(mode="json", exclude={"audio_base64"})
    sound = request.audio_base64
    return canonical_hash([fields, None if sound is None else text_sha256(sound), webhook_url])
