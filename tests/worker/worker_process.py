"""A real worker: `python handler.py` in a process group of its own, with nothing of the tests' environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.worker.queue_standin import QueueStandIn

REPOSITORY = Path(__file__).parents[2]
HANDLER = REPOSITORY / "handler.py"
START_SECONDS = 60.0
SECRET_VARIABLES = ("RUNPOD_AI_API_KEY", "BUCKET_SECRET_ACCESS_KEY", "ELEVENLABS_API_KEY")


@dataclass(frozen=True)
class Ground:
    """The folders that a worker works in: its state outlives it, and several workers may share one."""

    folder: Path
    default_avatar: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def avatars(self) -> Path:
        """Where a caller's avatars may lie."""
        return self.folder / "avatars"

    def make(self) -> Ground:
        for folder in (self.store, self.scratch, self.avatars):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            "RENDERER": "preview",
            "STORE_DIR": str(self.store),
            "NETWORK_VOLUME": str(self.folder),
            "SCRATCH_DIR": str(self.scratch),
            "CACHE_DIR": str(self.cache),
            "AVATAR_DIRS": str(self.avatars),
            "DEFAULT_AVATAR": str(self.default_avatar),
        }

    def stored(self, prefix: str = "") -> set[str]:
        """Every file below ``prefix`` of the store, by its path there."""
        files = (path.relative_to(self.store).as_posix() for path in self.store.rglob("*") if path.is_file())
        return {name for name in files if name.startswith(prefix)}

    def half_made(self) -> set[str]:
        """Every file that only a running job may have: of the store only its own temporary folder counts."""
        places = (self.scratch, self.cache / "work", self.cache / "avatars" / "staging", self.store / "+incoming")
        return {str(path) for place in places for path in place.rglob("*") if path.is_file()}


class Worker:
    """One worker of the endpoint.

    A context: entering waits until it asks for jobs; leaving kills its group and looks whether it has kept its secrets.
    """

    def __init__(
        self,
        queue: QueueStandIn,
        ground: Ground,
        pod: str,
        settings: Mapping[str, str] | None = None,
        program: Path = HANDLER,
    ) -> None:
        self.pod = pod
        self._queue = queue
        self._ground = ground
        self._environment = {**ground.environment(), **queue.worker_environment(pod), **(settings or {})}
        self._program = program
        self._log = ground.folder / f"{pod}.log"
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.start()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self._queue.wait_for_worker(self.pod, 0.5):
                return self
        self.kill()
        raise AssertionError(f"the worker took no jobs:\n{self.log()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        if kind is None:
            self.assert_secrets_kept()

    def start(self) -> None:
        """Start the process without waiting for anything."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(self._program)],
                cwd=self._ground.folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_code(self, seconds: float = START_SECONDS) -> int:
        """Wait until the process has ended by itself."""
        return self._process.wait(seconds)

    def terminate(self) -> None:
        """Tell it to go, as RunPod does."""
        self._process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop the process where it is, until ``thaw``: nothing in it runs, and its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def freeze_all(self) -> None:
        """The same of the whole group: its heartbeat stops too."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group: the SDK's heartbeat is a process of its own and would outlive the worker."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    def processor_seconds(self) -> float:
        """What the process, without its children, has used of the processors (proc(5))."""
        return _processor_seconds(self._process.pid)

    def children_s_processor_seconds(self) -> list[float]:
        """The same of each of its children."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [_processor_seconds(int(child)) for child in children]

    def log(self) -> str:
        """All that the worker has printed."""
        return self._log.read_text(errors="replace")

    def has_logged(self, message: str, job_id: str) -> bool:
        """Whether the worker has printed this line about the job, at INFO."""
        return {"requestId": job_id, "message": message, "level": "INFO"} in self._lines()

    def has_logged_beginning(self, message: str, job_id: str) -> bool:
        """Whether it has printed a line about the job that begins so."""
        return any(line["requestId"] == job_id and line["message"].startswith(message) for line in self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def assert_secrets_kept(self) -> None:
        """No secret of the worker's environment stands in its log, or in anything that it has sent to the queue."""
        told = self.log() + self._queue.told_by(self.pod)
        for variable in SECRET_VARIABLES:
            secret = self._environment.get(variable)
            assert secret is None or secret not in told, f"{self.pod} has told {variable}"


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def failed_start(queue: QueueStandIn, ground: Ground, pod: str, **settings: str) -> str:
    """The log of a worker that has to end by itself, with 1, and without a traceback."""
    worker = Worker(queue, ground, pod, settings)
    worker.start()
    try:
        assert worker.exit_code() == 1
    finally:
        worker.kill()
    worker.assert_secrets_kept()
    assert "Traceback" not in worker.log()
    return worker.log()
