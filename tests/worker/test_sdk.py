"""worker/sdk.py: what the worker takes from RunPod's SDK still is as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.worker.worker_process import REPOSITORY
from worker import sdk
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
