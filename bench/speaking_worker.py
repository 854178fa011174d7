"""A worker that does one job and tells what it took: ``python -m bench.speaking_worker JOB.json``.

It loads what ``handler.py`` loads and calls the function that RunPod calls. The last line it prints is JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.process_memory import peak_bytes
from engine.settings import read_settings
from handler import make_handler, open_engine
from worker import sdk
from worker.boot import BootPhases, process_age
from worker.progress import shown_progress
from worker.threads import JobThreads


def main(job_file: Path) -> int:
    sdk.load()
    engine = open_engine(read_settings(), os.environ, BootPhases(process_age()))
    threads = JobThreads(1)
    ready = peak_bytes()
    job = json.loads(job_file.read_text())
    read = peak_bytes()
    handler = make_handler(engine.run, threads, shown_progress)
    began = time.perf_counter()
    answer = asyncio.run(_answer(handler, job))
    took = time.perf_counter() - began
    threads.close()
    if "error" in answer:
        sys.stderr.write(f"{answer['error']}\n")
        return 1
    found = {
        "frames": answer.get("frames", 0),
        "seconds": took,
        "ready_bytes": ready,
        "read_bytes": read,
        "peak_bytes": peak_bytes(),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


async def _answer(handler: sdk.Handler, job: dict[str, Any]) -> dict[str, Any]:
    return await handler(job)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
