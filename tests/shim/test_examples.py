"""The contract's examples, run as printed but for the host and the ids."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.shim.server_process import Server

EXAMPLES = (Path(__file__).parent / "contract_examples.md").read_text()
PRINTED_HOST = "https://hpdznkoepuk348-8000.proxy.runpod.net"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", EXAMPLES, re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_examples(server: Server, tmp_path: Path) -> None:
    create, status, generate, download = blocks("bash")

    def shell(example: str, *changes: tuple[str, str]) -> str:
        for printed, real in ((PRINTED_HOST, server.url), *changes):
            assert printed in example
            example = example.replace(printed, real)
        return run(["bash", "-c", example], tmp_path)

    created = json.loads(shell(create))
    printed: list[dict[str, Any]] = [json.loads(block) for block in blocks("json")]
    assert set(created) >= set(printed[0])
    session = ("abc123", created["session_id"])
    assert json.loads(shell(status, session))["session_id"] == created["session_id"]
    assert server.ended(created["session_id"])["status"] == "ready"
    made = json.loads(shell(generate, session))
    assert set(made) >= set(printed[1])
    assert made["duration"] > 0
    shell(download, ("12345", made["job_id"]))
    assert (tmp_path / "result.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "result.mp3").stat().st_size > 1000


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_typescript_example(server: Server, tmp_path: Path) -> None:
    (example,) = blocks("typescript")
    (tmp_path / "example.mjs").write_text(example.replace(PRINTED_HOST, server.url))
    told = run(["node", "example.mjs"], tmp_path)
    video = re.search(r"Video: (/api/v1/generate/video/output_\S+\.mp4)", told)
    assert video
    assert re.search(r"Audio: (/api/v1/generate/audio/audio_\S+\.mp3)", told)
    assert server.http.get(video[1]).content[4:8] == b"ftyp"
