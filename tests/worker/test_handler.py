"""handler.py: whatever the engine does, a job ends in an answer, or in the cancellation that was asked for."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.cancel import CancelToken
from engine.engine import Job
from engine.errors import SessionNotFound
from handler import Perform, make_handler
from worker.logs import JsonLines
from worker.progress import Report, Update
from worker.threads import JobThreads

JOB = {"id": "job-1", "input": {"text": "Hello!"}}


@pytest.fixture
def threads() -> Iterator[JobThreads]:
    threads = JobThreads(2)
    yield threads
    threads.close()


@asynccontextmanager
async def nowhere(job_id: str) -> AsyncIterator[Report]:
    yield lambda update: None


def answer(perform: Perform, threads: JobThreads, job: dict[str, Any] = JOB) -> dict[str, Any]:
    async def scenario() -> dict[str, Any]:
        return await make_handler(perform, threads, nowhere)(job)

    return asyncio.run(scenario())


def returning(result: Any) -> Perform:
    return lambda job, report, cancel: result


def raising(error: Exception) -> Perform:
    def perform(job: Job, report: Report, cancel: CancelToken) -> dict[str, Any]:
        raise error

    return perform


def code_of(answered: dict[str, Any]) -> str:
    error = json.loads(answered["error"])
    assert error["request_id"] == "job-1"
    return str(error["code"])


def test_the_engine_s_result_is_the_answer(threads: JobThreads) -> None:
    assert answer(returning({"duration": 1.5}), threads) == {"duration": 1.5}


@pytest.mark.parametrize(
    ("perform", "code"),
    [
        (raising(SessionNotFound("There is no such session.")), "session_not_found"),
        (raising(RuntimeError("at /srv/secret/path")), "internal_error"),
        (raising(MemoryError()), "internal_error"),
        (returning({}), "internal_error"),
        (returning({"duration": float("nan")}), "internal_error"),
        (returning({"video_base64": "x" * 9_000_000}), "result_too_large"),
    ],
)
def test_every_other_end_is_an_error_with_a_code(
    threads: JobThreads, caplog: pytest.LogCaptureFixture, perform: Perform, code: str
) -> None:
    answered = answer(perform, threads)
    assert code_of(answered) == code
    assert "Traceback" not in answered["error"]
    assert "secret" not in answered["error"]


def test_a_defect_is_logged_with_its_traceback(threads: JobThreads, caplog: pytest.LogCaptureFixture) -> None:
    answer(raising(RuntimeError("the cause")), threads)
    assert "RuntimeError: the cause" in caplog.text
    assert "Traceback" in caplog.text


def test_lines_logged_by_the_job_name_it_and_hide_its_bucket_s_credentials(threads: JobThreads) -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonLines().format(record))

    def perform(job: Job, report: Report, cancel: CancelToken) -> dict[str, Any]:
        logging.getLogger("engine").warning("using caller-secret")
        return {"ok": True}

    shown = Lines()
    logging.getLogger("engine").addHandler(shown)
    try:
        answer(perform, threads, {**JOB, "s3Config": {"accessId": "caller-id", "accessSecret": "caller-secret"}})
    finally:
        logging.getLogger("engine").removeHandler(shown)
    assert [json.loads(line) for line in lines] == [{"requestId": "job-1", "message": "using ***", "level": "WARN"}]


def test_progress_is_over_before_the_answer(threads: JobThreads) -> None:
    events: list[Any] = []

    @asynccontextmanager
    async def noting(job_id: str) -> AsyncIterator[Report]:
        def report(update: Update) -> None:
            events.append(update["progress"])

        yield report
        events.append("flushed")

    def perform(job: Job, report: Report, cancel: CancelToken) -> dict[str, Any]:
        report({"progress": 0.5})
        return {"ok": True}

    async def scenario() -> None:
        await make_handler(perform, threads, noting)(dict(JOB))
        events.append("answered")

    asyncio.run(scenario())
    assert events == [0.5, "flushed", "answered"]


def test_a_cancelled_job_raises_its_cancellation_once_the_engine_has_left(threads: JobThreads) -> None:
    began, left = threading.Event(), threading.Event()

    def perform(job: Job, report: Report, cancel: CancelToken) -> dict[str, Any]:
        began.set()
        while not cancel.cancelled:
            time.sleep(0.01)
        time.sleep(0.1)
        left.set()
        cancel.check()
        return {"ok": True}

    async def scenario() -> None:
        task = asyncio.ensure_future(make_handler(perform, threads, nowhere)(dict(JOB)))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left.is_set()

    asyncio.run(scenario())
