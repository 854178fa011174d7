"""worker/sdk.py: what the worker takes from RunPod's SDK still is as it was."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worker.worker_process import REPOSITORY
from worker import sdk
from worker.delivery import PROGRESS
from worker.polling import Polling
from worker.sdk import Mode

QUEUE = {"RUNPOD_WEBHOOK_GET_JOB": "http://127.0.0.1:1/v2/e/job-take/$ID?gpu=CPU"}


@pytest.mark.parametrize(
    ("arguments", "environ", "mode"),
    [
        ([], {}, Mode.LOCAL),
        ([], QUEUE, Mode.QUEUE),
        (["--test_input", '{"input": {}}'], QUEUE, Mode.LOCAL),
        (["--rp_serve_api"], {}, Mode.API),
        (["--rp_serve_api", "--rp_api_port", "8123"], QUEUE, Mode.API),
        ([], {**QUEUE, "RUNPOD_REALTIME_PORT": "8000"}, Mode.API),
        (["--something-else"], QUEUE, Mode.QUEUE),
    ],
)
def test_the_mode_is_the_one_that_the_sdk_chooses(arguments: list[str], environ: dict[str, str], mode: Mode) -> None:
    assert sdk.mode_of(sdk.load(), arguments, environ) is mode


def fresh(program: str, **environ: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_sdk_logs_from_info_on_unless_told_otherwise() -> None:
    program = "from worker import sdk; print(sdk.load().log.level)"
    assert fresh(program) == "INFO"
    assert fresh(program, RUNPOD_DEBUG_LEVEL="ERROR") == "ERROR"


def test_loading_the_sdk_asks_nobody_for_the_processor() -> None:
    program = """
import sys
from worker import sdk
sdk.load()
print(hasattr(sys.modules["cpuinfo"], "get_cpu_info"), getattr(sys.modules["cpuinfo"], "__file__", None))
"""
    assert fresh(program) == "True None"


def test_the_sdk_is_the_one_whose_inner_parts_are_known() -> None:
    assert version("runpod").startswith("1.12.")


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the SDK's loop, put back as it was afterwards."""
    module: Any = importlib.import_module("runpod.serverless.modules.rp_scale")
    monkeypatch.setattr(module, "get_job", module.get_job)
    monkeypatch.setattr(module, "get_stop_signals", module.get_stop_signals)
    monkeypatch.setattr(module, "_job_stop_url", lambda: "known in a worker")
    monkeypatch.setattr(module.JobScaler, "handle_shutdown", module.JobScaler.handle_shutdown)
    return module


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_functions_that_are_replaced_take_what_ours_take(scale: Any) -> None:
    http: Any = importlib.import_module("runpod.serverless.modules.rp_http")
    progress: Any = importlib.import_module("runpod.serverless.modules.rp_progress")
    assert parameters(scale.get_job) == ["session", "num_jobs"]
    assert parameters(scale.get_stop_signals) == ["session"]
    assert parameters(scale.JobScaler.handle_shutdown) == ["self", "signum", "frame"]
    assert parameters(scale.JobScaler.kill_worker) == ["self"]
    assert parameters(http._transmit) == ["client_session", "url", "job_data"]
    assert parameters(progress._async_progress_update) == ["session", "job", "progress"]


def test_the_loop_asks_ours_for_slots_then_for_jobs_and_for_stops_and_ends_when_ours_says_so(scale: Any) -> None:
    """The SDK's own loop, with nothing but the two polls replaced."""
    told: list[str] = []

    class Told(Polling):
        async def jobs(self, poll: Callable[[], Any]) -> Any:
            told.append("jobs")
            return await super().jobs(nothing)

        async def stops(self, poll: Callable[[], Any]) -> list[str]:
            told.append("stops")
            return await super().stops(asyncio.Event().wait)  # type: ignore[arg-type]

    async def nothing() -> None:
        signal.raise_signal(signal.SIGTERM)

    polling = Told(sdk.jobs_held)

    def slots(current: int) -> int:
        told.append("slots")
        polling.end_if_done()
        return 2

    sdk.polled_by(polling)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.excepthook
    try:
        scale.JobScaler({"handler": slots, "concurrency_modifier": slots}).start()
    finally:
        sys.excepthook = hook
        for each, handler in before.items():
            signal.signal(each, handler)
    assert told[:2] == ["slots", "jobs"]
    assert "stops" in told
    assert polling.leaving


def test_a_body_of_progress_begins_as_ours_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    http: Any = importlib.import_module("runpod.serverless.modules.rp_http")
    progress: Any = importlib.import_module("runpod.serverless.modules.rp_progress")
    sent: list[tuple[str, str]] = []

    async def transmit(session: Any, url: str, body: str) -> None:
        sent.append((session.headers["X-Request-ID"], body))

    monkeypatch.setattr(http, "_transmit", http._transmit)
    sdk.delivered_by(transmit)
    session = SimpleNamespace(headers={})
    asyncio.run(progress._async_progress_update(session, {"id": "job-1"}, {"stage": "drawing"}))
    asyncio.run(http.send_result(session, {"output": {"status": "ready"}}, {"id": "job-2"}))
    assert [job_id for job_id, _ in sent] == ["job-1", "job-2"]
    assert [body.startswith(PROGRESS) for _, body in sent] == [True, False]


def test_jobs_are_counted_from_their_hand_out_on() -> None:
    state: Any = importlib.import_module("runpod.serverless.modules.worker_state")
    held = state.JobsProgress()
    assert sdk.jobs_held() == 0
    held.add({"id": "job-1", "input": {}})
    assert sdk.jobs_held() == 1
    held.remove({"id": "job-1", "input": {}})
    assert sdk.jobs_held() == 0
