"""The stand-in server as a process."""

from __future__ import annotations

import subprocess
import sys

import httpx


def test_it_serves_as_a_process_and_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "tests.servers.elevenlabs", "server_error"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        url = f"{address}/v1/text-to-speech/v/stream/with-timestamps?output_format=pcm_8000"
        statuses = [httpx.post(url, json={"text": "Hi."}).status_code for _ in range(2)]
        process.communicate("")
    assert statuses == [500, 200]
    assert process.returncode == 0
