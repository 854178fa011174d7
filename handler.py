"""The worker: RunPod hands each job to ``handler``, which hands it to the engine.

A job's ``input`` holds an ``action``, by default ``generate``, and its fields (engine/schemas.py has them all):

    generate        session_id or avatar_video_path (neither: the default avatar), and one of
                    text (with voice_id, model_id, voice_settings), audio_base64, audio_url, idle;
                    sync_mode "bounce" | "loop" | "cut_off", start_seconds, metadata,
                    height, quality "draft" | "standard" | "high"
                    -> video_url, audio_url, duration, captions_url, thumbnail_url, words, timings, ...
    create_session  avatar_video_path (none: the default avatar), session_id (the caller's own)
                    and how it is prepared: extra_margin, left_cheek_width, right_cheek_width, parsing_mode
                    -> session_id, status, message, avatar_prepared, avatar
    status          session_id -> as create_session; without one, the worker's health
    delete_session  session_id -> message

A failed job answers ``{"error": "<JSON text: code, message, retryable, request_id>"}``.

    python handler.py                               the job in test_input.json, here, once
    python handler.py --test_input '{"input": {}}'  another one
    python handler.py --rp_serve_api                an HTTP server that imitates RunPod's, for development
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.cancel import CancelToken
from engine.clock import utc_now
from engine.engine import Engine, Job
from engine.errors import EngineError, InternalError
from engine.settings import Settings, read_settings
from engine.speech.choose import choose_catalogue
from engine.store.choose import choose_store
from worker import local, logs, sdk
from worker.boot import BootPhases, process_age, record_boot
from worker.catalogue import keep_in_background
from worker.delivery import Delivery
from worker.polling import Polling
from worker.progress import ProgressOf, Report, queue_progress, shown_progress
from worker.refresh import Refresh
from worker.result import checked, failure
from worker.threads import JobThreads
from worker.watchdog import Watchdog, end_process

logger = logging.getLogger("handler")

Perform = Callable[[Job, Report, CancelToken], dict[str, Any]]
"""The engine's ``run``: blocks, and raises EngineError or Cancelled."""


def make_handler(
    perform: Perform, threads: JobThreads, progress_of: ProgressOf, watchdog: Watchdog | None = None
) -> sdk.Handler:
    """The function that RunPod calls with each job; it raises nothing but CancelledError."""

    async def run(job: Job) -> dict[str, Any]:
        cancel = CancelToken()
        async with progress_of(job.id) as report:
            if watchdog is None:
                return await threads.run(lambda: checked(perform(job, report, cancel)), cancel)
            with watchdog.watching(job.id, cancel, report) as watched:
                return await threads.run(lambda: checked(perform(job, watched, cancel)), cancel)

    async def handler(request: dict[str, Any]) -> dict[str, Any]:
        job = Job(id=request["id"], input=request["input"], s3_config=request.get("s3Config"))
        with logs.job_log_context(job.id, secrets_of(request)):
            began = time.monotonic()
            try:
                result = await run(job)
            except EngineError as error:
                defect = error if isinstance(error, InternalError) else None
                logger.warning("Failed: %s: %s", error.code, error.message, exc_info=defect)
                return failure(error, job.id)
            except Exception:
                logger.exception("Failed in a way that nobody foresaw.")
                return failure(InternalError("Something went wrong inside the service; its log says what."), job.id)
            logger.info("Done in %.2f s.", time.monotonic() - began)
            return result

    return handler


def secrets_of(request: Mapping[str, Any]) -> list[str]:
    """What of a job no log may show: the credentials of the caller's own bucket."""
    config = request.get("s3Config")
    if not isinstance(config, dict):
        return []
    return [str(config[key]) for key in ("accessId", "accessSecret") if key in config]


def open_engine(settings: Settings, environ: Mapping[str, str], phases: BootPhases) -> Engine:
    """The engine with everything loaded, after one round of work: no job pays for what is slow only once."""
    with phases.phase("loading"):
        engine = Engine.open(settings, choose_store(settings, environ))
    with phases.phase("warming"):
        engine.warm()
    logger.info("Ready %.2f s after the process began: %s.", phases.total, phases)
    return engine


def serve(
    runpod: ModuleType, settings: Settings, engine: Engine, phases: BootPhases, environ: Mapping[str, str]
) -> int:
    """Take jobs as the command line and the environment say; return the exit code when there are no more."""
    threads = JobThreads(settings.max_concurrency)
    mode = sdk.mode_of(runpod, sys.argv[1:], environ)
    watchdog = Watchdog(settings, end_process)
    handler = make_handler(engine.run, threads, queue_progress if mode is sdk.Mode.QUEUE else shown_progress, watchdog)
    refresh = Refresh(settings.max_concurrency, lambda: engine.worn, sdk.jobs_held, sdk.leave)
    polling = Polling(sdk.jobs_held, engine.reclaimed)

    def slots(current: int) -> int:
        polling.end_if_done()
        return refresh.slots(current)

    def start(chosen: sdk.Handler) -> None:
        runpod.start({"handler": chosen, "concurrency_modifier": slots})

    try:
        if mode is sdk.Mode.LOCAL:
            sdk.quiet(runpod, environ)
            return local.run(start, handler, Path("outputs"), sys.stdout)
        sdk.register_checks(runpod, engine.checks())
        sdk.polled_by(polling)
        sdk.delivered_by(Delivery().transmit)
        record_boot(engine, phases, environ)
        keep_in_background(engine.store, choose_catalogue(settings), utc_now)
        watchdog.start()
        with engine.housekeeping():
            start(refresh.around(handler) if mode is sdk.Mode.QUEUE else handler)
        return 0
    finally:
        threads.close()


def unfit(runpod: ModuleType, error: EngineError, environ: Mapping[str, str]) -> int:
    """Say why the worker can't start, to RunPod too where it waits for one; the exit code."""

    def check() -> None:
        raise error

    if sdk.mode_of(runpod, sys.argv[1:], environ) is sdk.Mode.QUEUE:
        sdk.register_checks(runpod, {error.code: check})
        # Ends the process, since the check fails.
        runpod.start({"handler": None})
    sys.stderr.write(f"The worker can't start: {error.message}\n")
    return 1


def main() -> int:
    """Load, warm, and serve until RunPod or the terminal ends it."""
    phases = BootPhases(process_age())
    with phases.phase("loading_sdk"):
        runpod = sdk.load()
    try:
        settings = read_settings()
        logs.configure(settings.log_level, os.environ)
        engine = open_engine(settings, os.environ, phases)
    except EngineError as error:
        return unfit(runpod, error, os.environ)
    return serve(runpod, settings, engine, phases, os.environ)


if __name__ == "__main__":
    sys.exit(main())
