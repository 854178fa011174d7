"""Generate jobs in RunPod's queue: submitted, followed to their end, and cancelled.

A job's record in the store says most of what there is to know, and asking it costs next to nothing. The queue is asked
where the record can't know: before a worker has begun, and once a worker has gone silent or told of a failure.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.endpoint.client import AsyncRunPodEndpoint
from engine.endpoint.job_state import JobState
from engine.errors import Conflict, EngineError, StillRunning
from engine.job_ids import RECORD_ID, record_id_of
from engine.jobs import JobName
from engine.outages import Outage
from engine.records import JobRecord, Records
from engine.schemas import Generate, Generated
from shim.backends import KeptJob, Made, Progress
from shim.errors import GenerationFailed
from shim.following import Following, QueueJob
from shim.job_end import Ended, end_of, ended_record, told_end

AT_WORK = timedelta(seconds=10)
"""A record whose worker said so recently that it is at it needs no second word from the queue."""

RETRIES = 1

log = logging.getLogger(__name__)


class QueueJobs:
    """Used in one event loop. Every job is followed to its end, whether its caller waits for it or not."""

    def __init__(self, endpoint: AsyncRunPodEndpoint, records: Records, now: Callable[[], datetime]) -> None:
        self._endpoint = endpoint
        self._records = records
        self._now = now
        self._following: dict[str, Following] = {}

    async def submit(self, request: Generate, job_id: str) -> Following:
        """Queue the job. Raises what the endpoint raises."""
        queued = await self._endpoint.run(request.model_dump(mode="json", exclude_none=True))
        log.info("Job %s is the queue's %s.", job_id, queued.id)
        return self._follow(QueueJob(job_id, queued.id, _name_of(request, queued.id), request.session_id), RETRIES)

    async def taken_up(self, job: KeptJob) -> Following | None:
        """A kept job that is in the queue, as was noted or its worker has told; None when it isn't."""
        following = self._followed(job.job_id)
        if following is not None:
            return following
        queue_id = job.queue_id
        if queue_id is None:
            record = await asyncio.to_thread(self._records.jobs.get, job.job_id)
            queue_id = None if record is None else record.queue_id or None
        if queue_id is None:
            return None
        name = JobName(job.job_id, record_id_of(queue_id), by_caller=True)
        return self._followed(job.job_id) or self._follow(QueueJob(job.job_id, queue_id, name, job.session_id), RETRIES)

    async def made(self, following: Following, seconds: float) -> Made:
        """The job's video. Raises StillRunning after so many seconds, and what ended the job."""
        await asyncio.wait({following.end}, timeout=seconds)
        if following.end.done():
            return following.end.result()
        raise self.still_running(following, seconds)

    async def asked_before(self, job_id: str, seconds: float) -> Made | None:
        """The video of a job that was submitted under this id, or whose record has it; None when there is none.

        Raises as ``made`` does.
        """
        following = self._followed(job_id)
        if following is None:
            record = await asyncio.to_thread(self._records.jobs.get, job_id)
            if record is not None and record.state == "done":
                return _made(record)
            if record is None or not _is_left(record):
                return None
            following = self._followed(job_id) or self._follow_left(record)
        return await self.made(following, seconds)

    def still_running(self, following: Following, seconds: float) -> StillRunning:
        """What a caller is told who has waited so long; the job goes on."""
        record_id = following.job.name.record_id
        return StillRunning(
            f"The video takes longer than {seconds:g} s and is still being made. It will be found as "
            f"`output_{record_id}.mp4`.",
            record_id,
        )

    def end_of(self, job_id: str) -> asyncio.Task[Made] | None:
        """The end of a job that is followed still; None where there is none such."""
        following = self._followed(job_id)
        return None if following is None else following.end

    async def follow_left(self) -> None:
        """Follow the jobs that a server before this one, or beside it, has left running."""
        try:
            left = await asyncio.to_thread(self._running)
        except EngineError as error:
            log.warning("What the last server left could not be looked at: %s", error.message)
            return
        for record in left:
            if self._followed(record.job_id) is None:
                self._follow_left(record)

    async def cancel(self, job_id: str, noted: str | None = None) -> None:
        """Stop a job, by this server's id of it or by that of its record; nothing happens when it doesn't run.

        noted: the queue's id of it, where that was written down.
        """
        queue_id = self._queue_id(job_id) or noted or await asyncio.to_thread(self._recorded_queue_id, job_id)
        if queue_id is not None:
            await self._endpoint.cancel(queue_id)

    async def cancel_session(self, session_id: str) -> None:
        """Stop what this server has begun for the session; what can't be stopped notices by itself that it is gone."""
        for following in list(self._following.values()):
            if following.job.session_id == session_id:
                await self.cancel_quietly(following.job.queue_id)

    async def cancel_quietly(self, queue_id: str) -> None:
        """Stop a job of the queue if the queue answers."""
        try:
            await self._endpoint.cancel(queue_id)
        except EngineError as error:
            log.warning("A job that nobody wants any more could not be cancelled: %s", error.message)

    async def close(self) -> None:
        """Follow no more; the jobs go on."""
        ends = [following.end for following in self._following.values()]
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    def _follow(self, job: QueueJob, retries: int) -> Following:
        following = self._following[job.job_id] = Following(job, retries)
        following.end = asyncio.create_task(self._to_end(following), name=f"job {job.queue_id}")
        following.end.add_done_callback(lambda _: self._leave(following))
        return following

    def _follow_left(self, record: JobRecord) -> Following:
        name = JobName(record.job_id, record.queue_id)
        return self._follow(QueueJob(record.job_id, record.queue_id, name, record.session_id), retries=0)

    def _followed(self, job_id: str) -> Following | None:
        """The job that has this id, or a record of this id, if it is followed."""
        for following in self._following.values():
            if job_id in (following.job.job_id, following.job.name.record_id):
                return following
        return None

    def _leave(self, following: Following) -> None:
        del self._following[following.job.job_id]
        error = None if following.end.cancelled() else following.end.exception()
        if isinstance(error, EngineError | GenerationFailed):
            log.info("Job %s has failed: %s", following.job.queue_id, error)
        elif error is not None:
            log.error("Job %s could not be followed.", following.job.queue_id, exc_info=error)

    async def _to_end(self, following: Following) -> Made:
        """Raises EngineError when no worker had begun, else GenerationFailed."""
        job = following.job
        began = asyncio.get_running_loop().time()
        while True:
            match await self._look(following):
                case Made() as made:
                    return made
                case Ended(may_retry=True) if following.retries > 0:
                    following.retries -= 1
                    await self._retry(job)
                case Ended() as ended:
                    raise await asyncio.to_thread(self._settle, job, ended)
            await following.rest(asyncio.get_running_loop().time() - began)

    async def _look(self, following: Following) -> Made | Ended | None:
        """What came of the job; None when nothing has yet, or nothing is to be learned at the moment."""
        job = following.job
        try:
            record = await asyncio.to_thread(self._own_record, job)
            if record is not None and record.stage:
                following.told = Progress(record.stage, record.progress)
            if record is not None and record.state == "done":
                return _made(record)
            if record is not None and self._is_at_work(record):
                return None
            return await self._end(job)
        except Outage as error:
            log.warning("Job %s could not be looked at: %s", job.queue_id, error.message)
            return None

    async def _end(self, job: QueueJob) -> Made | Ended | None:
        """As the queue tells it, and the record that its worker has written before that."""
        state = await self._endpoint.status(job.queue_id)
        if state is not None and not state.final:
            return None
        record = await asyncio.to_thread(self._records.jobs.get, job.name.record_id)
        return _made(record) if record is not None and _is_answer(record, job, state) else end_of(state)

    async def _retry(self, job: QueueJob) -> None:
        """What comes of it shows when the job is looked at next."""
        log.info("Job %s has failed in a way that another try may mend, and is tried again.", job.queue_id)
        try:
            await self._endpoint.retry(job.queue_id)
        except (Conflict, Outage) as error:
            log.warning("Job %s could not be tried again: %s", job.queue_id, error.message)

    def _settle(self, job: QueueJob, ended: Ended) -> EngineError | GenerationFailed:
        """Write down how the job ended, where its worker could not; and the error for its caller."""
        try:
            record = self._records.jobs.update(job.name.record_id, lambda old: ended_record(old, job.name, ended))
            deleted = job.session_id is not None and self._records.sessions.get(job.session_id) is None
        except Outage as outage:
            log.warning("How job %s ended could not be written down: %s", job.queue_id, outage.message)
            return GenerationFailed(ended.error)
        begun = record is not None and record.queue_id == job.name.queue_id
        error = told_end(ended, deleted)
        return GenerationFailed(error) if begun else error

    def _own_record(self, job: QueueJob) -> JobRecord | None:
        record = self._records.jobs.get(job.name.record_id)
        return record if record is not None and record.queue_id == job.name.queue_id else None

    def _is_at_work(self, record: JobRecord) -> bool:
        return record.state == "running" and self._now() - record.heartbeat < AT_WORK

    def _running(self) -> list[JobRecord]:
        return [record for record in self._records.jobs.list() if _is_left(record)]

    def _queue_id(self, job_id: str) -> str | None:
        following = self._followed(job_id)
        return None if following is None else following.job.queue_id

    def _recorded_queue_id(self, job_id: str) -> str | None:
        record = self._records.jobs.get(job_id) if RECORD_ID.fullmatch(job_id) else None
        return record.queue_id if record is not None and record.state == "running" else None


def _is_left(record: JobRecord) -> bool:
    """Whether the queue can be asked what becomes of the job."""
    return record.state == "running" and record.queue_id != ""


def _name_of(request: Generate, queue_id: str) -> JobName:
    """As the worker names the job."""
    key = record_id_of(queue_id)
    if request.idempotency_key is not None:
        return JobName.of_idempotency_key(request.idempotency_key, key, request.owner)
    return JobName(key, key)


def _is_answer(record: JobRecord, job: QueueJob, state: JobState | None) -> bool:
    """Whether the record has the job's video: under an idempotency key also one that another job had made before."""
    own = record.queue_id == job.name.queue_id
    return record.state == "done" and (own or (state is not None and state.status == "COMPLETED"))


def _made(record: JobRecord) -> Made:
    return Made(record.job_id, Generated.model_validate(record.result))
