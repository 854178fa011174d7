"""The REST contract: every path with its bodies, fields, messages and status codes, on every backend."""

from __future__ import annotations

import io
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.worker.clips import grey_clip, hum, talking_head, wav_base64

CREATE = "/api/v1/session/create"
GENERATE = "/api/v1/generate/text-to-video"
CREATED = "Session created. Avatar preparation started."


def refused(server: Server, body: dict[str, Any], status: int, code: str) -> None:
    """Ask both generate paths."""
    error_of(server.http.post(GENERATE, json=body), status, code)
    error_of(server.http.post(f"{GENERATE}-stream", json=body), status, code)


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_health_has_the_four_fields(server: Server, path: str) -> None:
    reply = server.http.get(path)
    assert reply.status_code == 200
    health = reply.json()
    assert health["status"] == "healthy"
    assert health["device"] == "cpu"
    assert health["cuda_available"] is False
    assert health["models_loaded"] is True
    assert health["renderer"] == "preview"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b' {"avatar_video_path": null} ', b'{"avatar_video_path": null, "session_id": null}']
)
def test_create_answers_preparing_and_the_session_becomes_ready(server: Server, body: bytes) -> None:
    reply = server.http.post(CREATE, content=body)
    assert reply.status_code == 200
    created = reply.json()
    assert created["status"] == "preparing"
    assert created["message"] == CREATED
    assert uuid.UUID(created["session_id"]).version == 4
    assert created["warnings"] == []
    state = server.ended(created["session_id"])
    assert state["session_id"] == created["session_id"]
    assert state["status"] == "ready"
    assert state["message"] == "Session is ready"
    assert state["avatar_prepared"] is True


def test_create_answers_preparing_on_a_prepared_avatar_too(server: Server, session: str) -> None:
    created = server.http.post(CREATE, json={"session_id": "known-avatar"}).json()
    assert (created["session_id"], created["status"], created["message"]) == ("known-avatar", "preparing", CREATED)
    assert server.ended("known-avatar")["status"] == "ready"
    again = server.http.post(CREATE, json={"session_id": "known-avatar"})
    assert again.status_code == 200
    assert again.json() == created
    assert server.ended("known-avatar")["status"] == "ready"


def test_create_takes_the_options_of_a_preparation(server: Server) -> None:
    body = {"session_id": "with-options", "left_cheek_width": 60, "parsing_mode": None}
    assert server.create(**body) == server.create(**body) == "with-options"
    assert server.ended("with-options")["status"] == "ready"
    error_of(server.http.post(CREATE, json={"session_id": "with-options"}), 409, "conflict")


def test_a_session_id_of_the_callers_own_stands_for_one_avatar(server: Server, tiny_avatar: Path) -> None:
    avatar_id = server.upload(tiny_avatar.read_bytes())
    assert server.create(session_id="own-id", avatar_video_path=avatar_id) == "own-id"
    assert server.create(session_id="own-id", avatar_video_path=avatar_id) == "own-id"
    error_of(server.http.post(CREATE, json={"session_id": "own-id"}), 409, "conflict")
    error_of(server.http.post(CREATE, json={"session_id": "../own"}), 400, "invalid_input")
    assert server.ended("own-id")["status"] == "ready"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/etc/passwd", "avatar_not_allowed"),
        ("../../secret.mp4", "avatar_not_allowed"),
        ("no-such-upload", "avatar_not_found"),
        ("", "avatar_not_found"),
        (" ", "avatar_not_found"),
        ("https://127.0.0.1/face.mp4", "url_not_allowed"),
        ("http://example.org/face.mp4", "url_not_allowed"),
        ("file:///etc/passwd", "avatar_not_allowed"),
        (7, "invalid_input"),
        ({"url": "x"}, "invalid_input"),
    ],
)
def test_create_refuses_at_once_what_can_be_known(server: Server, path: Any, code: str) -> None:
    error_of(server.http.post(CREATE, json={"avatar_video_path": path}), 400, code)


def test_a_file_that_is_missing_is_refused_by_whoever_can_know(server: Server) -> None:
    body = {"session_id": "missing", "avatar_video_path": "missing.mp4"}
    if server.queue is None:
        error_of(server.http.post(CREATE, json=body), 400, "avatar_not_found")
    else:
        state = server.ended(server.create(**body))
        assert (state["status"], state["error_code"]) == ("error", "avatar_not_found")


def test_a_failed_preparation_ends_in_the_status(server: Server) -> None:
    grey_clip(server.ground.avatars / "nobody.mp4")
    session_id = server.create(avatar_video_path="nobody.mp4")
    state = server.ended(session_id)
    assert state["status"] == "error"
    assert state["avatar_prepared"] is False
    assert state["error_code"] == "no_face"
    assert "face" in state["message"]
    reply = server.http.post(GENERATE, json={"session_id": session_id, "text": "Hello"})
    error_of(reply, 400, "session_failed")


@pytest.mark.parametrize(
    "session_id", ["abc123", "6f1ed002-ab59-4f2c-9e5c-8c0d4a6c1f3e", "no%20id", "%2e%2e", "x" * 65, "é"]
)
def test_an_unknown_session_is_404_everywhere(server: Server, session_id: str) -> None:
    error_of(server.http.get(f"/api/v1/session/{session_id}/status"), 404, "session_not_found")
    error_of(server.http.delete(f"/api/v1/session/{session_id}"), 404, "session_not_found")
    refused(server, {"session_id": session_id, "text": "Hello"}, 404, "session_not_found")


def test_delete_answers_its_message_once(server: Server) -> None:
    session_id = server.ready()
    made = server.http.post(GENERATE, json={"session_id": session_id, "audio_base64": wav_base64(hum(0.2))}).json()
    reply = server.http.delete(f"/api/v1/session/{session_id}")
    assert reply.status_code == 200
    assert reply.json() == {"message": "Session deleted successfully"}
    error_of(server.http.delete(f"/api/v1/session/{session_id}"), 404, "session_not_found")
    error_of(server.http.get(f"/api/v1/session/{session_id}/status"), 404, "session_not_found")
    for url in (made["video_url"], made["audio_url"], made["captions_url"], made["thumbnail_url"]):
        error_of(server.http.get(url), 404, "output_not_found")


def test_generate_answers_with_paths_and_duration(server: Server, session: str) -> None:
    body = {
        "session_id": session,
        "text": "Hello! This is a test.",
        "voice_id": "JBFqnCBsd6RMkjVDRZzb",
        "model_id": "eleven_multilingual_v2",
        "voice_settings": None,
    }
    reply = server.http.post(GENERATE, json=body)
    assert reply.status_code == 200, reply.text
    made = reply.json()
    video = re.fullmatch(r"/api/v1/generate/video/output_([A-Za-z0-9_-]+)\.mp4", made["video_url"])
    assert video
    assert made["audio_url"] == f"/api/v1/generate/audio/audio_{video[1]}.mp3"
    assert video[1] == made["job_id"]
    assert made["session_id"] == session
    assert made["warnings"] == []
    assert None not in made.values()
    clip = server.http.get(made["video_url"])
    assert clip.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(clip.content), "r") as file:
        frames = sum(1 for _ in file.decode(video=0))
    assert frames / 25 == made["duration"] == made["frames"] / 25
    sound = server.http.get(made["audio_url"])
    assert sound.headers["content-type"] == "audio/mpeg"
    with av.open(io.BytesIO(sound.content), "r", format="mp3") as file:
        assert abs(float(file.duration or 0) / av.time_base - made["duration"]) < 0.1
    assert ("download_url" in made) is server.stored.in_bucket
    if server.stored.in_bucket:
        assert httpx.get(made["download_url"], trust_env=False).content == clip.content
        assert datetime.fromisoformat(made["expires_at"]) > datetime.now(UTC)


def test_generate_takes_the_other_fields_too(server: Server, session: str) -> None:
    body = {
        "session_id": session,
        "audio_base64": wav_base64(hum(2.0)),
        "sync_mode": "cut_off",
        "metadata": {"order": [1, None]},
    }
    made = server.http.post(GENERATE, json=body).json()
    assert made["duration"] == 1.0
    assert made["metadata"] == {"order": [1, None]}
    assert made["words"] == []


def test_unknown_fields_are_ignored_and_told(server: Server, session: str) -> None:
    created = server.http.post(
        CREATE, json={"avatar_vidoe_path": "x", "action": "status", "begun": True, "session_id": "told"}
    ).json()
    assert [warning.split("`")[1] for warning in created["warnings"]] == ["avatar_vidoe_path", "action", "begun"]
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2)), "colour": "red", "action": None}
    made = server.http.post(GENERATE, json=body).json()
    assert [warning.split("`")[1] for warning in made["warnings"]] == ["colour", "action"]
    assert server.ended("told")["status"] == "ready"


def test_options_of_the_preparation_go_through(server: Server) -> None:
    session_id = server.create(extra_margin=20)
    assert server.ended(session_id)["avatar"]["warnings"] == ["`extra_margin` has no effect on the renderer `preview`."]
    error_of(server.http.post(CREATE, json={"bbox_shift": 5}), 400, "invalid_input")
    error_of(server.http.post(CREATE, json={"extra_margin": 500}), 400, "invalid_input")


def test_a_session_that_is_not_ready_is_400(server: Server) -> None:
    talking_head(server.ground.avatars / "long.mp4", frames=200)
    session_id = server.create(avatar_video_path="long.mp4")
    refused(server, {"session_id": session_id, "text": "Too early"}, 400, "session_not_ready")
    assert server.http.delete(f"/api/v1/session/{session_id}").status_code == 200
    error_of(server.http.get(f"/api/v1/session/{session_id}/status"), 404, "session_not_found")
    time.sleep(0.5)
    error_of(server.http.get(f"/api/v1/session/{session_id}/status"), 404, "session_not_found")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "invalid_input"),
        ({"text": ""}, "invalid_text"),
        ({"text": "x" * 5_001}, "text_too_long"),
        ({"text": 5}, "invalid_input"),
        ({"text": "a", "audio_base64": "AAAA"}, "invalid_input"),
        ({"text": "a", "start_seconds": -1}, "invalid_input"),
        ({"text": "a", "voice_settings": {"speed": 9}}, "invalid_input"),
        ({"audio_base64": "!!!"}, "audio_unreadable"),
        ({"audio_url": "https://127.0.0.1/a.wav"}, "url_not_allowed"),
        ({"text": "a", "metadata": "x" * 2_000}, "invalid_input"),
    ],
)
def test_what_is_wrong_with_a_request_is_400(server: Server, session: str, fields: dict[str, Any], code: str) -> None:
    refused(server, {"session_id": session, **fields}, 400, code)


def test_generate_needs_a_session(server: Server) -> None:
    body = error_of(server.http.post(GENERATE, json={"text": "Hello"}), 400, "invalid_input")
    assert "session_id" in body["detail"]


def test_one_call_may_name_an_avatar_in_place_of_a_session(server: Server, tiny_avatar: Path) -> None:
    avatar_id = server.upload(tiny_avatar.read_bytes())
    body = {"avatar_video_path": avatar_id, "audio_base64": wav_base64(hum(0.2))}
    made = server.http.post(GENERATE, json=body)
    assert made.status_code == 200, made.text
    assert server.status(made.json()["session_id"])["status"] == "ready"


def test_a_failure_after_work_began_is_500_with_its_code(server: Server, session: str) -> None:
    body = {"session_id": session, "audio_base64": "bm8gc291bmQgYXQgYWxs"}
    refused(server, body, 500, "audio_unreadable")


def test_an_idempotency_key_gives_the_same_video_and_conflicts_with_another_request(
    server: Server, session: str
) -> None:
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2)), "idempotency_key": "order 7"}
    first = server.http.post(GENERATE, json=body).json()
    again = server.http.post(GENERATE, json=body).json()
    assert again["video_url"] == first["video_url"]
    assert server.http.head(first["video_url"]).status_code == 200
    reply = server.http.post(GENERATE, json={**body, "sync_mode": "loop"})
    error_of(reply, 409, "idempotency_conflict")
