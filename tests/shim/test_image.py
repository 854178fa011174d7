"""The image `shim`: what builder/requirements-shim.txt brings is enough before an endpoint, and it is up at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import distribution, distributions, packages_distributions
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.builder.dockerfile import ROOT
from tests.servers.endpoint import S3Endpoint
from tests.shim.server_process import free_port
from tests.worker.queue_standin import ENDPOINT, KEY, QueueStandIn
from tests.worker.worker_process import START_SECONDS
from tests.worker.workers_bucket import WorkersBucket

MOST_SECONDS = 2.0
"""Of a processor, from the start to the first answer: other work on the machine doesn't count."""

PROGRAM = Path(__file__).parent / "only_requirements.py"


def wanted() -> Iterator[Requirement]:
    for line in (ROOT / "builder" / "requirements-shim.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield Requirement(line)


def installed() -> set[str]:
    """The distributions that pip would install for them."""
    found: set[str] = set()
    open_ends = [(requirement, extra) for requirement in wanted() for extra in ("", *requirement.extras)]
    seen = set()
    while open_ends:
        requirement, extra = open_ends.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        for text in distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                open_ends += [(needed, more) for more in ("", *needed.extras)]
    return found


def missing() -> set[str]:
    """The modules of this environment that the image doesn't have."""
    there = installed()
    return {
        module
        for module, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
    }


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_that_draws_is_among_them() -> None:
    assert {"torch", "cv2", "av", "onnxruntime", "skimage", "runpod", "c2pa"} <= missing()
    assert not {"fastapi", "uvicorn", "httpx", "boto3", "cryptography"} & missing()
    assert len(installed()) < len({canonicalize_name(found.name) for found in distributions()}) / 2


@pytest.fixture
def environment(tmp_path: Path, moto: S3Endpoint) -> Iterator[dict[str, str]]:
    with QueueStandIn() as queue:
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "PORT": str(free_port()),
            "RUNPOD_ENDPOINT_ID": ENDPOINT,
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_API_BASE_URL": queue.url.removesuffix(f"/{ENDPOINT}"),
            **WorkersBucket.on(moto).environment(),
        }


def test_it_is_up_in_two_seconds_with_what_the_image_has(environment: dict[str, str], tmp_path: Path) -> None:
    names = tmp_path / "missing"
    names.write_text("\n".join(sorted(missing())))
    url = f"http://127.0.0.1:{environment['PORT']}"
    command = [sys.executable, "-P", str(PROGRAM), str(names)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_SECONDS
        while _status(f"{url}/ping") != 200:
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            assert time.monotonic() < end
            time.sleep(0.01)
        seconds = processor_seconds(process.pid)
        assert httpx.get(f"{url}/health", trust_env=False).json()["status"] == "healthy"
        created = httpx.post(f"{url}/api/v1/session/create", json={}, trust_env=False)
        assert created.status_code == 200, created.text
    finally:
        process.kill()
        process.wait()
    assert seconds < MOST_SECONDS


def _status(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.TransportError:
        return 0
