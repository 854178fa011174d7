"""Every error through the queue: a FAILED job whose ``error`` is JSON with a stable code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worker.clips import grey_clip, hum, wav_base64
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import KEY
from tests.worker.worker_process import Ground, Worker

pytestmark = pytest.mark.usefixtures("worker")

SILENCE = wav_base64(np.zeros(16_000, np.int16))

REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ("Hello!", "invalid_input"),
    "nothing": ({}, "invalid_input"),
    "unknown action": ({"action": "dance"}, "unknown_action"),
    "action of another type": ({"action": 1}, "unknown_action"),
    "unknown key": ({"txt": "Hello!"}, "invalid_input"),
    "wrong type": ({"text": 5}, "invalid_input"),
    "two sources": ({"text": "Hello!", "audio_base64": "AAAA"}, "invalid_input"),
    "missing session_id": ({"action": "delete_session"}, "invalid_input"),
    "session_id of another form": ({"action": "status", "session_id": "../etc"}, "invalid_input"),
    "empty text": ({"text": "  "}, "invalid_text"),
    "control characters": ({"text": "bell \u0007"}, "invalid_text"),
    "long text": ({"text": "word " * 601}, "text_too_long"),
    "unknown session": ({"session_id": "nobody", "text": "Hello!"}, "session_not_found"),
    "unknown session's status": ({"action": "status", "session_id": "nobody"}, "session_not_found"),
    "unknown session's end": ({"action": "delete_session", "session_id": "nobody"}, "session_not_found"),
    "file outside of the folders": ({"avatar_video_path": "/etc/passwd", "text": "Hello!"}, "avatar_not_allowed"),
    "sound that is no base64": ({"audio_base64": "?"}, "audio_unreadable"),
    "sound that is no sound": ({"audio_base64": "bm8gc291bmQgYXQgYWxs"}, "audio_unreadable"),
    "short sound": ({"audio_base64": wav_base64(hum(0.05))}, "audio_too_short"),
    "silent sound": ({"audio_base64": SILENCE}, "audio_silent"),
}


@pytest.mark.parametrize(("job_input", "code"), REFUSED.values(), ids=REFUSED)
def test_bad_input_has_its_code(endpoint: Endpoint, job_input: Any, code: str) -> None:
    error = endpoint.error(job_input)
    assert error["code"] == code
    assert error["retryable"] is False


@pytest.mark.parametrize(
    ("name", "code"), [("missing.mp4", "avatar_not_found"), ("text.mp4", "media_unreadable"), ("grey.mp4", "no_face")]
)
def test_a_bad_avatar_has_its_code_and_no_path_of_the_host(
    endpoint: Endpoint, avatars: Path, name: str, code: str
) -> None:
    error = endpoint.error({"avatar_video_path": str(avatars / name), "text": "Hello!"})
    assert error["code"] == code
    assert "scratch" not in error["message"]
    assert "store" not in error["message"]


@pytest.fixture(scope="module")
def avatars(ground: Ground) -> Path:
    (ground.avatars / "text.mp4").write_text("This is no video.")
    grey_clip(ground.avatars / "grey.mp4")
    return ground.avatars


@pytest.fixture(scope="module")
def failed_session(endpoint: Endpoint, avatars: Path, worker: Worker) -> str:
    creation = {"action": "create_session", "session_id": "faceless", "avatar_video_path": str(avatars / "grey.mp4")}
    assert endpoint.error(creation)["code"] == "no_face"
    return "faceless"


def test_a_failed_session_says_so_without_failing_the_job(endpoint: Endpoint, failed_session: str) -> None:
    status = endpoint.output({"action": "status", "session_id": failed_session})
    assert status["status"] == "error"
    assert status["error_code"] == "no_face"
    assert status["avatar_prepared"] is False


def test_a_failed_session_can_t_speak(endpoint: Endpoint, failed_session: str) -> None:
    assert endpoint.error({"session_id": failed_session, "text": "Hello!"})["code"] == "session_failed"


def test_a_session_s_id_can_t_be_taken_for_another_avatar(endpoint: Endpoint, failed_session: str) -> None:
    assert endpoint.error({"action": "create_session", "session_id": failed_session})["code"] == "conflict"


def test_an_unknown_key_is_told_with_its_nearest_valid_name(endpoint: Endpoint) -> None:
    assert "`text`" in endpoint.error({"txt": "Hello!"})["message"]


def test_bad_input_leaves_no_traceback_and_no_secret_in_the_log(endpoint: Endpoint, worker: Worker) -> None:
    endpoint.ended(
        endpoint.run({"action": "dance"}, s3Config={"accessId": "caller-access", "accessSecret": "caller-secret"})
    )
    log = worker.log()
    assert "unknown_action" in log
    assert "Traceback" not in log
    for secret in (KEY, "caller-access", "caller-secret"):
        assert secret not in log
