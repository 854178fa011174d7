"""worker/logs.py: lines that name their job and hide secrets."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import subprocess
import sys
import threading
from typing import Any

from tests.worker.worker_process import REPOSITORY
from worker.logs import JsonLines, ReadableLines, job_log_context


def record(message: str, *arguments: object, level: int = logging.INFO, error: Exception | None = None) -> Any:
    information = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("engine.pipeline", level, __file__, 1, message, arguments, information)


def test_json_lines_have_the_shape_that_the_console_filters() -> None:
    with job_log_context("job-1"):
        line = JsonLines().format(record("drew %d frames", 25))
    assert json.loads(line) == {"requestId": "job-1", "message": "drew 25 frames", "level": "INFO"}


def test_a_line_outside_of_any_job_names_none() -> None:
    assert json.loads(JsonLines().format(record("ready", level=logging.WARNING))) == {
        "requestId": None,
        "message": "ready",
        "level": "WARN",
    }


def test_readable_lines_name_the_job() -> None:
    with job_log_context("job-1"):
        assert ReadableLines().format(record("50 % INFO done")).endswith("INFO    job-1 | 50 % INFO done")
    assert ReadableLines().format(record("ready")).endswith("INFO    ready")


def test_secrets_are_blanked_in_messages_and_tracebacks() -> None:
    error = ValueError("bad signature of bucket-secret")
    with job_log_context("job-1", ["bucket-secret", "short"]):
        line = JsonLines(["platform-key"]).format(record("with platform-key, shortly", error=error))
    message = json.loads(line)["message"]
    assert "with ***, shortly" in message
    assert "ValueError: bad signature of ***" in message


def test_a_secret_within_a_longer_one_leaves_nothing_of_it() -> None:
    assert "tail" not in JsonLines(["secret", "secret-tail"]).format(record("secret-tail"))


def test_each_job_has_its_own_context_across_tasks_and_threads() -> None:
    seen: dict[str, str] = {}

    def note(key: str) -> None:
        seen[key] = json.loads(JsonLines().format(record("x")))["requestId"]

    async def job(job_id: str) -> None:
        with job_log_context(job_id):
            await asyncio.sleep(0.01)
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(note, f"thread of {job_id}"))
            thread.start()
            await asyncio.to_thread(note, f"task of {job_id}")
            thread.join()

    async def both() -> None:
        await asyncio.gather(job("a"), job("b"))

    asyncio.run(both())
    assert seen == {"task of a": "a", "thread of a": "a", "task of b": "b", "thread of b": "b"}


CONFIGURED = """
import logging, os
from worker import logs
logging.basicConfig(level=logging.INFO)
logs.configure("INFO", {"BUCKET_SECRET_ACCESS_KEY": "very-secret", **os.environ})
logging.getLogger("engine.store").info("stored with very-secret")
logging.getLogger("engine.store").debug("not shown")
logging.getLogger("httpx").info("GET https://bucket/video?signature=1")
logging.getLogger("httpx").warning("slow")
"""


def configured_lines(**environ: str) -> list[str]:
    program = [sys.executable, "-c", CONFIGURED]
    run = subprocess.run(program, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=True)
    assert run.stdout == ""
    return run.stderr.splitlines()


def test_on_runpod_every_line_is_json_and_libraries_are_quiet() -> None:
    lines = [json.loads(line) for line in configured_lines(RUNPOD_ENDPOINT_ID="ep1")]
    assert [(line["message"], line["level"]) for line in lines] == [("stored with ***", "INFO"), ("slow", "WARN")]


def test_elsewhere_lines_are_readable() -> None:
    first, second = configured_lines()
    assert first.endswith("INFO    stored with ***")
    assert second.endswith("WARNING slow")
