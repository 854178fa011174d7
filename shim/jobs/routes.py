"""Jobs: how they are, and stopping them."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request

from engine.jobs import Jobs
from shim.backends import Backend
from shim.callers import caller_of
from shim.jobs.keeper import JobKeeper
from shim.jobs.later import JOBS
from shim.jobs.replies import JobReply
from shim.jobs.report import FoundJob, JobReports


def job_routes(reports: JobReports, keeper: JobKeeper, backend: Backend, jobs: Jobs) -> APIRouter:
    """GET a job, and cancel it."""
    cancel = partial(_cancel, keeper, backend, jobs)
    router = APIRouter(prefix=JOBS, tags=["Jobs and webhooks"])

    @router.get(
        "/{job_id}",
        summary="Get a job: how far it is, and what came of it.",
        description="Jobs of `?async=true`, and those that a request or a stream waits for. Two reads of the store.",
        response_model_exclude_none=True,
    )
    async def get_job(request: Request, job_id: str) -> JobReply:
        caller = caller_of(request.scope)
        return reports.reply(await asyncio.to_thread(reports.find, job_id, caller), caller)

    @router.post(
        "/{job_id}/cancel",
        summary="Cancel a job.",
        description="Waiting or running; a job that has ended stays as it is. A job that a request or a stream waits "
        "for stops within seconds.",
        response_model_exclude_none=True,
    )
    async def cancel_job(request: Request, job_id: str) -> JobReply:
        caller = caller_of(request.scope)
        await cancel(await asyncio.to_thread(reports.find, job_id, caller))
        return reports.reply(await asyncio.to_thread(reports.find, job_id, caller), caller)

    return router


async def _cancel(keeper: JobKeeper, backend: Backend, jobs: Jobs, found: FoundJob) -> None:
    if found.record is not None and found.record.state == "done":
        return
    if found.record is not None and found.record.state == "running":
        # Heard by its run wherever that is, at its next beat.
        await asyncio.to_thread(jobs.ask_to_stop, found.record.job_id)
    if found.accepted is not None:
        await keeper.cancel(found.accepted)
    elif found.record is not None and found.record.state == "running":
        await backend.cancel(found.record.job_id)
