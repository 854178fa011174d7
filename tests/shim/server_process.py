"""A real REST server: `python -m shim` in a process group of its own, with nothing of the tests' environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.shim.server_store import ServerStore
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn
from tests.worker.worker_process import REPOSITORY, START_SECONDS, Ground

REQUEST_SECONDS = 60.0

NO_RATES = {"CREATE_RATE": "", "STATUS_RATE": ""}
"""Tests create and poll more than people do; those of the rates set their own."""


class Server:
    """A context: entering waits until the server answers, leaving kills it. ``http`` is a client of it.

    ground: where its worker finds avatars, itself or a process of its own. stored: what it has in its store, by
    default the ground's folder. queue: of the endpoint that it stands in front of, if it does.
    """

    def __init__(
        self,
        ground: Ground,
        settings: Mapping[str, str] | None = None,
        stored: ServerStore | None = None,
        queue: QueueStandIn | None = None,
    ) -> None:
        self.ground = ground
        self.stored = stored or ServerStore.folder(ground)
        self.queue = queue
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False)
        self._settings = settings or {}
        self._log = ground.folder / "server.log"
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()
        self.kill()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.launch()
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < end, f"the server does not answer:\n{self.log()}"
            assert self._process.poll() is None, f"the server has ended:\n{self.log()}"
            time.sleep(0.1)

    def launch(self) -> None:
        """Start the process without waiting for anything."""
        environment = {
            **self.ground.environment(),
            "PYTHONPATH": str(REPOSITORY),
            "PORT": str(self.port),
            "LOG_FORMAT": "text",
            **NO_RATES,
            **self.stored.environment,
            **({} if self.queue is None else self._endpoint(self.queue)),
            **self._settings,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "shim"],
                cwd=self.ground.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_code(self, seconds: float = START_SECONDS) -> int:
        """Wait until the process has ended by itself."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to stop; its exit code."""
        self._process.terminate()
        return self._process.wait(seconds)

    def libraries(self) -> str:
        """The shared libraries that the process has loaded, as the system lists them."""
        return Path(f"/proc/{self._process.pid}/maps").read_text()

    def niceness(self) -> list[int]:
        """Of every thread of the process, the main thread first."""
        threads = sorted(int(path.name) for path in Path(f"/proc/{self._process.pid}/task").iterdir())
        return [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def create(self, **fields: Any) -> str:
        """The id of a new session."""
        reply = self.http.post("/api/v1/session/create", json=fields)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["session_id"])

    def status(self, session_id: str) -> dict[str, Any]:
        reply = self.http.get(f"/api/v1/session/{session_id}/status")
        assert reply.status_code == 200, reply.text
        state: dict[str, Any] = reply.json()
        return state

    def ended(self, session_id: str, seconds: float = REQUEST_SECONDS) -> dict[str, Any]:
        """The session's status once its preparation has ended."""
        end = time.monotonic() + seconds
        while (state := self.status(session_id))["status"] == "preparing":
            assert time.monotonic() < end, f"the session is still preparing: {state}"
            time.sleep(0.1)
        return state

    def ready(self, **fields: Any) -> str:
        """The id of a new session that is ready."""
        session_id = self.create(**fields)
        state = self.ended(session_id)
        assert state["status"] == "ready", state
        return session_id

    def upload(self, body: bytes) -> str:
        """The id of an uploaded avatar."""
        reply = self.http.post("/api/v1/avatars", files={"file": ("avatar.mp4", body)})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["avatar_id"])

    @staticmethod
    def _endpoint(queue: QueueStandIn) -> dict[str, str]:
        base_url = queue.url.removesuffix(f"/{ENDPOINT}")
        return {"RUNPOD_ENDPOINT_ID": ENDPOINT, "RUNPOD_API_KEY": KEY, "RUNPOD_API_BASE_URL": base_url}

    def _answers(self) -> bool:
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
