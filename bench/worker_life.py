"""One worker's process from its start to the end of its only job, watched from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.process_memory import ChildrenPeaks
from bench.workplace import ROOT, Workplace

LOOK_SECONDS = 0.02


class Found(BaseModel):
    """What the worker tells at its end: the video's frames, the job's seconds, and three times its peak so far.

    The peak is that of the worker when it was ready, when it had its job, and when the job was done.
    """

    model_config = ConfigDict(frozen=True)

    frames: int
    seconds: float
    ready_bytes: int
    read_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Life:
    """``child_bytes`` is the peak of the worker's largest child, 0 without one; ``job_bytes`` its job's JSON."""

    found: Found
    child_bytes: int
    job_bytes: int


def live(place: Workplace, job_input: Mapping[str, str]) -> Life:
    """Start a worker, have it do the one job, and wait until it has ended. Raises RuntimeError with its log."""
    job = place.folder / "job.json"
    job.write_text(json.dumps({"id": uuid.uuid4().hex, "input": dict(job_input)}))
    told, log = place.folder / "told.txt", place.folder / "log.txt"
    children = _watched(place, job, told, log)
    return Life(Found.model_validate_json(told.read_text().splitlines()[-1]), children.largest, job.stat().st_size)


def _watched(place: Workplace, job: Path, told: Path, log: Path) -> ChildrenPeaks:
    command = [sys.executable, "-m", "bench.speaking_worker", str(job)]
    with (
        told.open("w") as out,
        log.open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, env=place.environment(), stdout=out, stderr=errors) as process,
    ):
        children = ChildrenPeaks(process.pid)
        while process.poll() is None:
            children.look()
            time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the worker failed:\n{log.read_text()[-2000:]}")
    return children
