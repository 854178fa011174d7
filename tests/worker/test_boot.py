"""The record that a worker leaves of its start."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.boot_record import newest_boot_record
from engine.store.local import LocalStore
from tests.worker.endpoint import Endpoint
from tests.worker.worker_process import Ground, Worker
from worker.boot import BootPhases, process_age


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system doesn't tell what a process uses")
def test_it_takes_its_first_job_after_three_seconds_of_work_at_most(worker: Worker) -> None:
    """The processor's seconds: the clock's are the machine's too. The heartbeat's process loads nothing anew."""
    assert worker.processor_seconds() < 3
    [heartbeat] = worker.children_s_processor_seconds()
    assert heartbeat < 0.3
    phases = r"importing [\d.]+, loading_sdk [\d.]+, loading [\d.]+, warming [\d.]+"
    assert re.search(rf"Ready [\d.]+ s after the process began: {phases}", worker.log())


def test_a_worker_that_takes_jobs_has_left_its_record(worker: Worker, ground: Ground, endpoint: Endpoint) -> None:
    record = newest_boot_record(LocalStore(ground.store))
    assert record is not None
    assert ground.stored("workers/") == {f"workers/{worker.pod}.json"}
    health = endpoint.output({"action": "status"})
    told = {name: health[name] for name in ("device", "cuda_available", "models_loaded", "renderer", "versions")}
    assert {name: getattr(record, name) for name in told} == told
    assert record.pod == worker.pod
    assert set(record.phases) == {"importing", "loading_sdk", "loading", "warming"}
    assert all(0 < seconds < 60 for seconds in record.phases.values())
    assert timedelta() < datetime.now(UTC) - record.booted < timedelta(minutes=5)


def test_phases_are_what_the_clock_says() -> None:
    times = iter([1.0, 3.5])
    phases = BootPhases(0.5, lambda: next(times))
    with phases.phase("warming"):
        pass
    assert phases.seconds == {"importing": 0.5, "warming": 2.5}
    assert phases.total == 3.0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system doesn't tell")
def test_a_process_knows_its_age() -> None:
    began = time.monotonic()
    code = "import time; time.sleep(0.3); from worker.boot import process_age; print(process_age())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.3 <= float(done.stdout) <= time.monotonic() - began + 0.05
    assert process_age() > 0
