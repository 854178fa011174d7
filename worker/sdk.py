"""The one door to RunPod's SDK, loaded late because it reads its environment when it is imported."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from types import ModuleType
from typing import Any

from worker.polling import Polling

SEND_SECONDS = 10.0

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""What the SDK calls with each job's JSON object: the answer becomes the job's result."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
"""Brings one progress update to where the caller sees it."""


Transmit = Callable[[Any, str, str], Awaitable[None]]
"""Posts a body, JSON text, to an address in the SDK's session; raises aiohttp's ClientError when it could not."""


class Mode(Enum):
    """How the SDK is going to run the handler."""

    QUEUE = "queue"
    API = "api"
    LOCAL = "local"


def load() -> ModuleType:
    """``runpod.serverless``, with its log at INFO: its own default logs jobs and results whole.

    A stand-in takes py-cpuinfo's place, which the SDK runs at import for the name of the processor
    in a debug report that nobody asks for here: that took 1.2 of the import's 1.7 seconds.
    """
    os.environ.setdefault("RUNPOD_DEBUG_LEVEL", "INFO")
    sys.modules.setdefault("cpuinfo", _nameless_processor())
    return importlib.import_module("runpod.serverless")


def _nameless_processor() -> ModuleType:
    stand_in = ModuleType("cpuinfo")
    vars(stand_in)["get_cpu_info"] = lambda: {"brand_raw": "unknown"}
    return stand_in


def mode_of(sdk: ModuleType, arguments: Sequence[str], environ: Mapping[str, str]) -> Mode:
    """The SDK's own choice, by its own parser: a served API, one local job, or RunPod's queue."""
    options, _ = sdk.parser.parse_known_args(list(arguments))
    if options.rp_serve_api or int(environ.get("RUNPOD_REALTIME_PORT", "0")):
        return Mode.API
    if options.test_input or "RUNPOD_WEBHOOK_GET_JOB" not in environ:
        return Mode.LOCAL
    return Mode.QUEUE


def quiet(sdk: ModuleType, environ: Mapping[str, str]) -> None:
    """Only the SDK's warnings, unless the environment asks for more: a local run shows its own progress."""
    if "RUNPOD_LOG_LEVEL" not in environ:
        sdk.log.set_level("WARN")


def register_checks(sdk: ModuleType, checks: Mapping[str, Callable[[], None]]) -> None:
    """Have the SDK run each check before it takes jobs from the queue; one that raises ends the worker."""
    for name, check in checks.items():
        sdk.register_fitness_check(_named(name, check))


def _named(name: str, check: Callable[[], None]) -> Callable[[], None]:
    def fitness_check() -> None:
        check()

    # RunPod's console shows the function's name.
    fitness_check.__name__ = name
    return fitness_check


def jobs_held() -> int:
    """How many jobs the SDK has: from when the queue handed them out until their results are delivered."""
    state = importlib.import_module("runpod.serverless.modules.worker_state")
    return int(state.JobsProgress().get_job_count())


def polled_by(polling: Polling) -> None:
    """Have ``polling`` stand between the SDK's loop and the queue, and take RunPod's signals.

    On a signal the SDK by itself waits for its held polls to end, for up to 90 s, and never runs a job that one of them
    still brings. A queue that is gone it asks without a pause. Called before the SDK is started.
    """
    scale: Any = importlib.import_module("runpod.serverless.modules.rp_scale")
    get_job, get_stop_signals = scale.get_job, scale.get_stop_signals

    async def jobs(session: Any, count: int = 1) -> list[dict[str, Any]] | None:
        # The session is every request's: one that lay unused while the machine slept would be dead without a sign.
        session.headers["Connection"] = "close"
        return await polling.jobs(lambda: get_job(session, count))

    async def stops(session: Any) -> list[str]:
        return await polling.stops(lambda: get_stop_signals(session))

    def leave_on_signal(scaler: Any, number: int, frame: object) -> None:
        polling.leave(scaler.kill_worker)

    scale.get_job, scale.get_stop_signals = jobs, stops
    scale.JobScaler.handle_shutdown = leave_on_signal


def delivered_by(transmit: Transmit) -> None:
    """Have ``transmit`` bring results and progress to the queue: the SDK by itself gives up a result after three tries,
    and one that the queue refuses at once, without a word to the job's caller."""
    http: Any = importlib.import_module("runpod.serverless.modules.rp_http")
    http._transmit = transmit


def leave() -> None:
    """End the SDK's loop as RunPod does: it takes no more jobs, and returns when those that run have ended."""
    signal.raise_signal(signal.SIGTERM)


@asynccontextmanager
async def progress_channel(job_id: str) -> AsyncIterator[Send]:
    """How one job's progress reaches the queue.

    The SDK's public ``progress_update`` starts a thread for every update, so that updates overtake each
    other and the result; its inner coroutine is awaited here instead. The session is the job's own because
    the SDK writes the job's id into its headers.
    """
    progress = importlib.import_module("runpod.serverless.modules.rp_progress")
    client = importlib.import_module("runpod.http_client")
    async with client.AsyncClientSession() as session:

        async def send(update: dict[str, Any]) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await progress._async_progress_update(session, {"id": job_id}, update)

        yield send
