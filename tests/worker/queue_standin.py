"""A stand-in for RunPod's queue on loopback: the SDK's wire protocol on one side, the endpoint's API on the other.

It answers as the platform does: polls are held, a refused result leaves its job COMPLETED without an output, a job that
was cancelled, or has run out of the time that its policy gives it, takes no result; where asked to, it hands lost jobs
out again by itself. Both sides need the key, the
worker's bare and the client's as Bearer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from tests.worker.queue_faults import Answer, Faults
from tests.worker.queue_jobs import FINAL, JobStatus, Ping, Post, QueuedJob, QueueJobs
from tests.worker.queue_losses import GIVEN_UP, Losses

T = TypeVar("T")

ENDPOINT = "ep1"
KEY = "rpa_stand_in_key"
MAX_REQUEST_BYTES = 10_000_000
MAX_SYNC_REQUEST_BYTES = 20_000_000
MAX_RESULT_BYTES = 20_000_000
RUNSYNC_SECONDS = 90.0
LOOK_SECONDS = 0.2


class QueueStandIn:
    """One endpoint and its queue, served from a thread. A context: leaving it closes the server.

    hold_seconds: how long a poll without news is held. losses: which jobs are handed out again by themselves;
    None: none are. faults: what clients get in place of its answers.
    """

    def __init__(self, hold_seconds: float = 5.0, losses: Losses | None = None) -> None:
        self.faults = Faults()
        self._losses = losses
        self._watch: asyncio.Task[None] | None = None
        self._hold = hold_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="queue-stand-in", daemon=True)
        self._queue: QueueJobs
        self._runner: web.AppRunner
        self._socket: socket.socket
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._in_loop(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._in_loop(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The endpoint's own address, below which /run, /status and the others lie."""
        return f"{self.address}/v2/{ENDPOINT}"

    def worker_environment(self, pod: str) -> dict[str, str]:
        """What RunPod sets in a worker's container."""
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{self.url}/job-take/$ID?gpu=CPU",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{self.url}/job-done/$RUNPOD_POD_ID/$ID?gpu=CPU",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{self.url}/job-stream/$RUNPOD_POD_ID/$ID?gpu=CPU",
            "RUNPOD_WEBHOOK_PING": f"{self.url}/ping/$RUNPOD_POD_ID?gpu=CPU",
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_AI_API_KEY": KEY,
            "RUNPOD_POD_ID": pod,
            "RUNPOD_ENDPOINT_ID": ENDPOINT,
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def posts(self, job_id: str) -> tuple[Post, ...]:
        """What workers have sent for the job so far, in order of arrival."""
        return tuple(self._queue.jobs[job_id].posts)

    def handed_to(self, job_id: str) -> tuple[str, ...]:
        """The workers that were given the job, in order."""
        return tuple(self._queue.jobs[job_id].handed_to)

    def jobs(self) -> tuple[QueuedJob, ...]:
        """Every job that the queue has, in order of submission, as they go on: to be looked at, not to be changed."""
        return tuple(self._queue.jobs.values())

    def first_asked(self, worker: str) -> float | None:
        """When the worker asked for a job for the first time (time.monotonic()); None: not yet."""
        return self._queue.workers.get(worker)

    def pings(self) -> tuple[Ping, ...]:
        return tuple(self._queue.pings)

    def told_by(self, worker: str) -> str:
        """All that the worker has sent so far, as one text."""
        posts = [post.body for job in self._queue.jobs.values() for post in job.posts if post.worker == worker]
        reasons = [ping.reason for ping in self._queue.pings if ping.worker == worker]
        return json.dumps([posts, reasons], ensure_ascii=False)

    def wait_for_worker(self, pod: str, seconds: float) -> bool:
        """Whether the worker has asked for jobs within so many seconds."""
        return self._in_loop(self._queue.seen(pod, seconds))

    def hand_out_again(self, job_id: str) -> None:
        """Queue a job once more, whatever became of it: the platform does so with one that it takes for lost."""
        self._in_loop(self._queue.requeue(self._queue.jobs[job_id]))

    def inputs(self) -> dict[str, Any]:
        """The input of every job that the queue has, by the job's id, in order of submission."""
        return {job.id: job.request["input"] for job in self._queue.jobs.values()}

    def end(self, job_id: str, status: JobStatus, output: Any = None, error: str | None = None) -> None:
        """End a job without its worker: the platform does so with one that is lost or takes too long."""
        self._in_loop(self._queue.end(self._queue.jobs[job_id], status, output, error))

    def forget(self, job_id: str) -> None:
        """As the queue does with a job that ended a while ago."""
        del self._queue.jobs[job_id]

    def forget_polls(self) -> None:
        """As the queue does with polls whose connections it takes for dead: no job is handed to them."""
        self._in_loop(self._queue.end_polls())

    def refuse_connections(self) -> None:
        """Be gone, for good."""
        self._in_loop(self._stop_serving())

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._queue.close()
        await self._stop_serving()

    async def _stop_serving(self) -> None:
        """May be done again."""
        if self._socket.fileno() >= 0:
            # What is accepted becomes a connection in the loop's next rounds: a closed server would not close it.
            self._loop.remove_reader(self._socket)
            await asyncio.sleep(0.01)
        await self._runner.cleanup()

    async def _open(self) -> None:
        self._queue = QueueJobs()
        if self._losses is not None:
            self._watch = asyncio.create_task(self._watch_for(self._losses))
        app = web.Application(middlewares=[self._with_faults, _only_with_key], client_max_size=4 * MAX_RESULT_BYTES)
        app.add_routes([*self._worker_routes(), *self._client_routes()])
        # A job must not be handed to a poll whose worker is gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        await web.SockSite(self._runner, self._socket).start()
        host, port = self._socket.getsockname()
        self.address = f"http://{host}:{port}"

    async def _watch_for(self, losses: Losses) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for job in losses.among(self._queue.jobs.values()):
                if len(job.handed_to) < losses.most:
                    await self._queue.requeue(job)
                else:
                    await self._queue.end(job, "FAILED", None, GIVEN_UP)

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        operation = request.path.removeprefix(f"/v2/{ENDPOINT}/").partition("/")[0]
        return await self.faults.answer(operation, request, handler)

    def _worker_routes(self) -> list[web.RouteDef]:
        at = f"/v2/{ENDPOINT}"
        return [
            web.get(f"{at}/job-take/{{worker}}", self._take_one),
            web.get(f"{at}/job-take-batch/{{worker}}", self._take_batch),
            web.get(f"{at}/job-stop/{{worker}}", self._stops),
            web.post(f"{at}/job-done/{{worker}}/{{job}}", self._done),
            web.post(f"{at}/job-stream/{{worker}}/{{job}}", self._chunk),
            web.get(f"{at}/ping/{{worker}}", self._ping),
        ]

    def _client_routes(self) -> list[web.RouteDef]:
        at = f"/v2/{ENDPOINT}"
        return [
            web.post(f"{at}/run", self._run),
            web.post(f"{at}/runsync", self._runsync),
            web.get(f"{at}/status/{{job}}", self._status),
            web.post(f"{at}/status/{{job}}", self._status),
            web.get(f"{at}/status-sync/{{job}}", self._status_sync),
            web.get(f"{at}/stream/{{job}}", self._stream),
            web.post(f"{at}/cancel/{{job}}", self._cancel),
            web.post(f"{at}/retry/{{job}}", self._retry),
            web.post(f"{at}/purge-queue", self._purge),
            web.get(f"{at}/health", self._health),
        ]

    async def _take_one(self, request: web.Request) -> web.StreamResponse:
        jobs = await self._queue.take(request.match_info["worker"], 1, self._hold)
        return web.json_response(jobs[0]) if jobs else web.Response(status=204)

    async def _take_batch(self, request: web.Request) -> web.StreamResponse:
        most = int(request.query["batch_size"])
        jobs = await self._queue.take(request.match_info["worker"], most, self._hold)
        return web.json_response(jobs) if jobs else web.Response(status=204)

    async def _stops(self, request: web.Request) -> web.StreamResponse:
        job_ids = await self._queue.stops(request.match_info["worker"], self._hold)
        return web.json_response({"jobsToStop": job_ids}) if job_ids else web.Response(status=204)

    async def _done(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        raw = await request.read()
        if len(raw) > MAX_RESULT_BYTES or (body := _strict_json(raw)) is None:
            await self._queue.refuse(job)
            return web.json_response({"error": "bad request"}, status=400)
        await self._queue.post(job, request.match_info["worker"], body)
        return web.json_response({})

    async def _chunk(self, request: web.Request) -> web.StreamResponse:
        self._job(request).chunks.append(json.loads(await request.read()))
        return web.json_response({})

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        job_ids = tuple(filter(None, query.get("job_id", "").split(",")))
        worker = request.match_info["worker"]
        ping = Ping(time.monotonic(), worker, job_ids, query.get("check"), query.get("reason"))
        self._queue.pings.append(ping)
        if self._losses is not None:
            self._losses.note(ping)
        return web.json_response({})

    async def _run(self, request: web.Request) -> web.StreamResponse:
        job = await self._queue.submit(await _submission(request, MAX_REQUEST_BYTES))
        return web.json_response({"id": job.id, "status": job.status})

    async def _runsync(self, request: web.Request) -> web.StreamResponse:
        job = await self._queue.submit(await _submission(request, MAX_SYNC_REQUEST_BYTES), prefix="sync-")
        await self._queue.ended(job, _wait_seconds(request.query))
        return web.json_response(job.for_client())

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._job(request).for_client())

    async def _status_sync(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        await self._queue.ended(job, _wait_seconds(request.query))
        return web.json_response(job.for_client())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        chunks, job.chunks = job.chunks, []
        return web.json_response({"status": job.status, "stream": chunks})

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        await self._queue.cancel(job)
        return web.json_response({"id": job.id, "status": job.status})

    async def _retry(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        if job.status not in FINAL - {"COMPLETED", "CANCELLED"}:
            return web.json_response({"error": "only a failed job can be retried"}, status=400)
        await self._queue.requeue(job)
        return web.json_response({"id": job.id, "status": job.status})

    async def _purge(self, request: web.Request) -> web.StreamResponse:
        waiting = [job for job in self._queue.jobs.values() if job.status == "IN_QUEUE"]
        for job in waiting:
            await self._queue.cancel(job)
        return web.json_response({"removed": len(waiting), "status": "completed"})

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._queue.health())

    def _job(self, request: web.Request) -> QueuedJob:
        job = self._queue.jobs.get(request.match_info["job"])
        if job is None:
            raise web.HTTPNotFound(text="job not found")
        return job


@web.middleware
async def _only_with_key(request: web.Request, handler: Answer) -> web.StreamResponse:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") != KEY:
        return web.json_response({"error": "unauthorized"}, status=401)
    return await handler(request)


async def _submission(request: web.Request, most: int) -> dict[str, Any]:
    raw = await request.read()
    body = _strict_json(raw) if len(raw) <= most else None
    if body is None or "input" not in body:
        raise web.HTTPBadRequest(text="the body has to be a JSON object with an input, within the limit")
    return body


def _strict_json(raw: bytes) -> dict[str, Any] | None:
    """An object without NaN, or nothing."""
    with suppress(ValueError):
        body = json.loads(raw, parse_constant=_no_constant)
        return body if isinstance(body, dict) else None
    return None


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _wait_seconds(query: Mapping[str, str]) -> float:
    return float(query.get("wait", RUNSYNC_SECONDS * 1000)) / 1000
