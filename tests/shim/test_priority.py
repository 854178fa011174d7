"""What makes videos lets requests go first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shim.priority import LAST, STEP, step_back
from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def niceness_of_others() -> tuple[int, int]:
    """Of a thread and of a process that this thread starts."""
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(own_niceness).result()
    process = subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], capture_output=True, check=True)
    return thread, int(process.stdout)


def test_a_thread_steps_back_with_all_that_it_starts_and_nobody_else_does() -> None:
    before = own_niceness()
    wanted = min(LAST, before + STEP)
    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        assert pool.submit(own_niceness).result() == wanted
        assert pool.submit(niceness_of_others).result() == (wanted, wanted)
        pool.submit(step_back).result()
        assert pool.submit(own_niceness).result() <= LAST
    assert own_niceness() == before


@pytest.mark.parametrize("server", ["in-process"], indirect=True)
def test_the_server_makes_videos_in_threads_that_stepped_back(server: Server) -> None:
    body = {"session_id": server.ready(), "audio_base64": wav_base64(hum(0.2))}
    assert server.http.post("/api/v1/generate/text-to-video", json=body).status_code == 200
    main, *others = server.niceness()
    assert main == os.nice(0)
    assert min(LAST, main + STEP) in others
