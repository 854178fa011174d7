"""The quick S3 server in a process of its own, so that what it calculates holds nobody else up."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.endpoint import S3Endpoint, make_bucket

READY_SECONDS = 60.0


@contextmanager
def moto_process(bucket: str) -> Iterator[S3Endpoint]:
    """The server with an empty bucket of that name, until the block ends."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield make_bucket(f"http://127.0.0.1:{port}", bucket)
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, "moto never began to answer"
            assert process.poll() is None, "moto has ended"
            time.sleep(0.1)
        else:
            return
