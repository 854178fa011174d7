"""A REST server in a process of its own, as the bench of polling uses it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from bench.workplace import ROOT

HOST = "127.0.0.1"
START_SECONDS = 60.0


class PolledProcess:
    """A context: entering waits until the server answers, leaving ends it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with socket.create_server((HOST, 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self._environment = {**environment, "PORT": str(self.port)}
        self._log = log
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.polled_server"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not answer:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def store_requests(self) -> Counter[str]:
        """Since they were asked for last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Counter(json.loads(self._process.stdout.readline()))

    def cpu_seconds(self) -> float:
        """Of all its threads, so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def ready_session(self, session_id: str) -> None:
        """Create the session, and wait until it is ready."""
        self._ask("POST", "/api/v1/session/create", json.dumps({"session_id": session_id}))
        end = time.monotonic() + START_SECONDS
        while (state := self._ask("GET", f"/api/v1/session/{session_id}/status"))["status"] != "ready":
            if time.monotonic() > end or state["status"] == "error":
                raise RuntimeError(f"the session does not become ready: {state}")
            time.sleep(0.1)

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def _answers(self) -> bool:
        with suppress(OSError, ValueError):
            return bool(self._ask("GET", "/health")["status"])
        return False
