"""The server against requests that are generated from its own description: schemathesis, with all of its checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shim.auth.keys import hash_of
from tests.shim.server_process import Server
from tests.worker.worker_process import Ground

CONFIG = Path(__file__).with_name("schemathesis.toml")
KEYS = {"shop": "ta_key_of_the_shop", "rival": "ta_key_of_its_rival"}
SETTINGS = {
    "API_KEYS": ",".join(f"{name}:{hash_of(key)}" for name, key in KEYS.items()),
    "MAX_CONCURRENCY": "2",
    "MAX_AUDIO_SECONDS": "1",
    "MAX_TEXT_CHARACTERS": "20",
    "MAX_AVATAR_BYTES": "2000000",
    "MAX_AUDIO_BYTES": "500000",
    "CREATE_RATE": "",
    "STATUS_RATE": "",
    "SESSION_GENERATIONS": "100",
    "FETCH_SECONDS": "2",
    "LOG_FORMAT": "json",
    # Generated names of hosts are nobody's: whoever has no resolver need not wait for it.
    "RES_OPTIONS": "timeout:1 attempts:1",
}
DOCUMENTED = {503, 504}
"""Statuses of a server that is busy, or waits for somebody else."""


@pytest.fixture
def asked_about(fresh_ground: Ground) -> Iterator[Server]:
    with Server(fresh_ground, SETTINGS) as server:
        yield server


def schemathesis(server: Server, folder: Path, *options: str) -> dict[str, Any]:
    """Its report. Its own files go into ``folder``."""
    users = [{"name": name, "fixedHeaders": [{"name": "X-API-Key", "value": key}]} for name, key in KEYS.items()]
    (folder / "users.json").write_text(json.dumps({"schemaVersion": "0.2.0", "auth": users}))
    report = folder / "report.json"
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)),
            *("run", f"{server.url}/openapi.json", "--seed", "1", "--no-shrink", "--no-color"),
            *("--report", "json", "--report-json-path", str(report), *options),
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "USERS": str(folder / "users.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stdout[-3000:] + run.stderr[-3000:]
    assert run.returncode == 0, run.stdout[:6000]
    told: dict[str, Any] = json.loads(report.read_text())
    return told


def statuses(server: Server) -> Mapping[int, int]:
    """How many requests the server has answered with which status, as its log tells."""
    lines = [json.loads(line) for line in server.log().splitlines()]
    return Counter(line["status"] for line in lines if "milliseconds" in line)


def assert_sound(server: Server, report: dict[str, Any], least: int) -> None:
    found = statuses(server)
    print(f"{sum(found.values())} requests: {dict(sorted(found.items()))}")
    assert sum(found.values()) >= least
    assert {status for status in found if status >= 500} <= DOCUMENTED
    assert {status for status in found if status < 300}
    assert "Traceback" not in server.log()
    assert report["failures"] == []
    assert report["errors"] == []


def test_some_hundred_requests(asked_about: Server, tmp_path: Path) -> None:
    report = schemathesis(asked_about, tmp_path, "--phases", "examples,fuzzing", "-n", "8")
    assert_sound(asked_about, report, 300)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_thousands_of_requests(asked_about: Server, tmp_path: Path) -> None:
    report = schemathesis(asked_about, tmp_path, "-n", "140")
    assert_sound(asked_about, report, 5000)
