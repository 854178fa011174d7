"""worker/local.py and `python handler.py` at a terminal."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from engine.schemas import Generate, parse_input
from tests.worker.worker_process import HANDLER, REPOSITORY, Ground
from worker.local import copy_outputs

SECONDS = 60


def run_locally(ground: Ground, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(HANDLER), *arguments]
    return subprocess.run(
        program, cwd=ground.folder, env=ground.environment(), capture_output=True, text=True, timeout=SECONDS
    )


def test_one_command_makes_the_video_and_prints_the_result(ground: Ground) -> None:
    ground.folder.joinpath("test_input.json").write_text(json.dumps({"input": {"text": "Hello there."}}))
    run = run_locally(ground)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    made = ground.folder / "outputs"
    with av.open(str(made / "demo.mp4")) as video, av.open(str(made / "demo.mp3")) as sound:
        assert video.streams.video[0].frames == result["frames"] == round(result["duration"] * 25)
        assert sound.duration is not None
        assert sound.duration / av.time_base == pytest.approx(result["duration"], abs=0.1)
    assert (made / "demo.vtt").read_text().startswith("WEBVTT")
    assert (made / "demo.srt").read_text().startswith("1\n00:00:00,")
    assert (made / "demo.jpg").read_bytes().startswith(b"\xff\xd8")
    assert " %\n" in run.stderr
    assert "Job result" not in run.stderr


def test_another_sentence_gives_another_video_under_the_same_job_id(ground: Ground) -> None:
    results = []
    for text in ("One.", "One and two and three.", "One."):
        run = run_locally(ground, "--test_input", json.dumps({"input": {"text": text}}))
        assert run.returncode == 0, run.stderr
        results.append(json.loads(run.stdout))
    assert results[1]["duration"] > results[0]["duration"]
    assert len({result["video_key"] for result in results}) == 3


def test_a_failed_job_prints_its_error_and_ends_with_1(ground: Ground) -> None:
    run = run_locally(ground, "--test_input", json.dumps({"input": {"action": "dance"}}))
    assert run.returncode == 1
    error = json.loads(json.loads(run.stdout)["error"])
    assert (error["code"], error["request_id"]) == ("unknown_action", "local_test")
    assert "Traceback" not in run.stderr


def test_ctrl_c_ends_the_job_without_a_result_and_leaves_nothing(ground: Ground) -> None:
    job = json.dumps({"input": {"text": "One and two and three. " * 150}})
    program = [sys.executable, str(HANDLER), "--test_input", job]
    with subprocess.Popen(
        program, cwd=ground.folder, env=ground.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        while "drawing" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        printed, _ = run.communicate(timeout=SECONDS)
    assert (run.returncode, printed) == (130, "")
    assert ground.half_made() == set()


def test_without_a_job_nothing_is_printed_as_a_result(tmp_path: Path, tiny_avatar: Path) -> None:
    run = run_locally(Ground(tmp_path, tiny_avatar).make())
    assert (run.returncode, run.stdout) == (1, "")
    assert "test_input.json" in run.stderr


def test_a_job_that_is_no_json_is_told_in_a_sentence(ground: Ground) -> None:
    ground.folder.joinpath("test_input.json").write_text('{\n  "input": {"text": "She said "hello"."}\n}')
    run = run_locally(ground)
    assert (run.returncode, run.stdout) == (1, "")
    assert "line 2" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_sdk_s_own_server_answers(ground: Ground) -> None:
    port = unused_port()
    program = [sys.executable, str(HANDLER), "--rp_serve_api", "--rp_api_port", str(port)]
    with subprocess.Popen(program, cwd=ground.folder, env=ground.environment(), stderr=subprocess.DEVNULL) as server:
        try:
            answer = answer_of(f"http://localhost:{port}/runsync", {"input": {"action": "status"}})
        finally:
            server.terminate()
    assert answer["output"]["status"] == "healthy"


def unused_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return int(server.getsockname()[1])


def answer_of(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the server answers once it is up."""
    retrying = httpx.HTTPTransport(retries=9)
    with httpx.Client(transport=retrying, timeout=SECONDS) as client:
        answer: dict[str, Any] = client.post(url, json=body).raise_for_status().json()
    return answer


def test_the_repository_s_own_job_is_a_generate_with_the_default_avatar() -> None:
    job: dict[str, Any] = json.loads((REPOSITORY / "test_input.json").read_text())
    request = parse_input(job["input"])
    assert isinstance(request, Generate)
    assert request.text
    assert request.session_id is None
    assert request.avatar_video_path is None


def test_outputs_elsewhere_are_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "v.mp4"
    source.write_bytes(b"video")
    answer = {"video_url": str(source), "audio_url": "https://bucket.example/a.mp3", "thumbnail_url": None}
    assert copy_outputs(answer, tmp_path / "outputs") == [tmp_path / "outputs" / "demo.mp4"]
    assert (tmp_path / "outputs" / "demo.mp4").read_bytes() == b"video"
    assert copy_outputs({"error": "{}"}, tmp_path / "none") == []
    assert not (tmp_path / "none").exists()
