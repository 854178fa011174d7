"""worker/polling.py: what becomes of polls when the queue is gone, and when the machine has slept."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from worker.polling import AWAY_SECONDS, Clocks, Pauses, Polling


class Wire:
    """A proxy whose open connections can be made deaf: they stay open, and nothing passes any more."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = str(address.hostname), int(address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._deaf = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def deafen(self) -> None:
        """All connections of now are dead; later ones aren't."""
        self._deaf.set()
        self._deaf = threading.Event()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._open):
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open += near, far
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink, self._deaf), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if deaf.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def wire(target: str) -> Iterator[Wire]:
    with closing(Wire(target)) as made:
        yield made


def test_after_a_snapshot_with_dead_connections_the_next_job_is_taken_at_once(ground: Ground) -> None:
    with (
        QueueStandIn(hold_seconds=60) as queue,
        wire(queue.address) as line,
        closing(Endpoint(queue)) as endpoint,
    ):
        ways = queue.worker_environment("slept")
        through = {name: value.replace(queue.address, line.address) for name, value in ways.items()}
        with Worker(queue, ground, "slept", through) as worker:
            assert endpoint.output({"action": "status"})["status"] == "healthy"
            time.sleep(0.5)
            worker.freeze()
            line.deafen()
            queue.forget_polls()
            time.sleep(AWAY_SECONDS + 1)
            worker.thaw()
            began = time.monotonic()
            assert endpoint.output({"action": "status"})["status"] == "healthy"
            assert time.monotonic() - began < 5


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system doesn't tell what a process uses")
def test_a_worker_whose_queue_is_gone_waits_for_it_without_burning_a_core(ground: Ground) -> None:
    with QueueStandIn() as queue, Worker(queue, ground, "left") as worker:
        queue.refuse_connections()
        time.sleep(0.5)
        lines, used = len(worker.log().splitlines()), worker.processor_seconds()
        time.sleep(4)
        assert worker.processor_seconds() - used < 0.5
        assert len(worker.log().splitlines()) - lines < 30
        assert worker.is_running


def test_a_queue_that_holds_no_poll_is_asked_twice_a_second() -> None:
    async def run() -> int:
        asked = 0

        async def nothing() -> None:
            nonlocal asked
            asked += 1

        polling = Polling(lambda: 0)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            await polling.jobs(nothing)
        return asked

    assert asyncio.run(run()) < 12


def test_a_second_signal_while_the_process_ends_does_no_harm() -> None:
    async def nothing() -> None:
        return None

    polling = Polling(lambda: 0)
    asyncio.run(polling.jobs(nothing))
    polling.leave(lambda: None)
    assert polling.leaving


def test_a_pause_grows_and_begins_anew_after_success() -> None:
    pauses = Pauses(0.5, 3.0)
    assert [pauses.after_failure() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    pauses.reset()
    assert pauses.after_failure() == 0.5


@pytest.mark.parametrize(("steady", "wall"), [(1.0, 3600.0), (1.0, -3600.0), (3600.0, 1.0)])
def test_either_clock_tells_of_a_sleep(steady: float, wall: float) -> None:
    times = [10.0, 1_000.0]
    clocks = Clocks(lambda: times[0], lambda: times[1])
    times[0] += steady
    times[1] += wall
    assert clocks.passed() == 3600
    assert clocks.passed() == 0
