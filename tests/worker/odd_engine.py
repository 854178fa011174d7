"""A worker on the SDK's own loop whose jobs end however their input says: run as a program, in handler.py's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from engine.cancel import CancelToken
from engine.engine import Job
from handler import make_handler
from worker import logs, sdk
from worker.progress import Report, queue_progress
from worker.result import MAX_RESULT_BYTES
from worker.threads import JobThreads

AROUND = len('{"output": {"video_base64": ""}}')


def _fail() -> dict[str, Any]:
    raise RuntimeError(f"at {__file__}, with {os.environ['RUNPOD_AI_API_KEY']}")


def _hold_itself() -> dict[str, Any]:
    result: dict[str, Any] = {}
    result["again"] = result
    return result


RESULTS: dict[str, Callable[[], Any]] = {
    "largest": lambda: {"video_base64": "x" * (MAX_RESULT_BYTES - AROUND - 1)},
    "too large": lambda: {"video_base64": "x" * (MAX_RESULT_BYTES - AROUND)},
    "too large in UTF-8": lambda: {"video_base64": "ü" * (MAX_RESULT_BYTES // 2)},
    "far too large": lambda: {"video_base64": "x" * 25_000_000},
    "bytes": lambda: {"video": b"bytes"},
    "not a number": lambda: {"duration": float("nan")},
    "half a character": lambda: {"metadata": "\ud83d"},
    "a loop": _hold_itself,
    "nothing": dict,
    "no object": lambda: ["done"],
    "a key of the SDK's": lambda: {"error": ""},
    "a defect": _fail,
}


def perform(job: Job, report: Report, cancel: CancelToken) -> dict[str, Any]:
    report({"stage": "making", "progress": 0.5})
    result: dict[str, Any] = RESULTS[job.input["result"]]()
    return result


def main() -> None:
    runpod = sdk.load()
    logs.configure("INFO", os.environ)
    threads = JobThreads(4)
    handler = make_handler(perform, threads, queue_progress)
    runpod.start({"handler": handler, "concurrency_modifier": lambda _: 4})


if __name__ == "__main__":
    main()
