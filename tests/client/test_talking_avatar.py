"""The client against real servers, over connections that break."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from talking_avatar import TalkingAvatarError

from tests.client.clients import CLIENTS, Opening
from tests.servers.faulty_proxy import Fault, FaultyProxy
from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

Told = list[tuple[str, float]]


@pytest.fixture
def opening(server: Server) -> Opening:
    """One form for each backend: the logic is the same, and test_retries.py has both of all of it."""
    return CLIENTS["waiting" if server.queue is None else "in-loop"]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "hum.wav"
    path.write_bytes(base64.b64decode(wav_base64(hum(0.4))))
    return path


def noted(told: Told) -> Any:
    return lambda stage, share: told.append((stage, share))


def test_a_tour(server: Server, opening: Opening, tiny_avatar: Path, sound: Path, tmp_path: Path) -> None:
    uploading: Told = []
    preparing: Told = []
    with opening(server.url) as avatar:
        session = avatar.create_session(tiny_avatar, progress=noted(uploading))
        assert session.status == "preparing"
        assert uploading[-1] == ("uploading", 1.0)
        assert avatar.wait_until_ready(session, progress=noted(preparing)).status == "ready"
        assert preparing[-1] == ("ready", 1.0)
        video = avatar.speak(session, audio=sound, metadata={"order": 7})
        assert (video.session_id, video.duration, video.renderer) == (session.session_id, 0.4, "preview")
        assert video.raw["metadata"] == {"order": 7}
        assert avatar.save_video(video, tmp_path / "v.mp4").read_bytes()[4:8] == b"ftyp"
        assert avatar.save_thumbnail(video, tmp_path / "v.jpg").read_bytes()[:2] == b"\xff\xd8"
        assert avatar.save_audio(video, tmp_path / "v.mp3").stat().st_size > 500
        assert avatar.save_captions(video, tmp_path / "v.vtt").read_bytes().startswith(b"WEBVTT")
        assert not avatar.save_captions(video, tmp_path / "v.srt").read_bytes().startswith(b"WEBVTT")
        silent = avatar.speak(session, idle=True)
        assert avatar.save_video(silent, tmp_path / "i.mp4").read_bytes()[4:8] == b"ftyp"
        with pytest.raises(TalkingAvatarError, match="no_file"):
            avatar.save_audio(silent, tmp_path / "i.mp3")
        avatar.delete(session)
        avatar.delete(session)
        with pytest.raises(TalkingAvatarError) as gone:
            avatar.session(session)
    assert (gone.value.code, gone.value.status, gone.value.retryable) == ("session_not_found", 404, False)
    wait_until(lambda: gone.value.request_id in server.log())


def test_voices_and_models(server: Server, opening: Opening) -> None:
    with opening(server.url) as avatar:
        assert [voice.name for voice in avatar.voices() if voice.default] == ["George"]
        assert [(model.id, model.available) for model in avatar.models()] == [("espeak-ng", True)]


def test_an_avatar_that_cannot_be_prepared_says_why(server: Server, opening: Opening, sound: Path) -> None:
    with opening(server.url) as avatar, pytest.raises(TalkingAvatarError) as failed:
        avatar.wait_until_ready(avatar.create_session(sound))
    assert failed.value.code == "media_unreadable"


def test_a_generation_whose_answer_is_lost_is_made_once(
    server: Server, proxy: FaultyProxy, opening: Opening, sound: Path
) -> None:
    session = server.ready()
    before = server.stored.keys("jobs/")
    proxy.faults += [Fault("POST", "lose answer", "text-to-video"), Fault("POST", "cut answer", "text-to-video")]
    with opening(proxy.url) as avatar:
        video = avatar.speak(session, audio=sound)
    assert server.stored.keys("jobs/") - before == {f"jobs/{video.job_id}.json"}
    keys = {seen.headers["Idempotency-Key"] for seen in proxy.seen if "text-to-video" in seen.path}
    assert len(keys) == 1
    assert len([seen for seen in proxy.seen if "text-to-video" in seen.path]) == 3


def test_a_creation_whose_answer_is_lost_makes_one_session(
    server: Server, proxy: FaultyProxy, opening: Opening
) -> None:
    before = server.stored.keys("sessions/")
    proxy.faults.append(Fault("POST", "lose answer", "session/create"))
    with opening(proxy.url) as avatar:
        session = avatar.create_session()
    assert server.stored.keys("sessions/") - before == {f"sessions/{session.session_id}.json"}
    server.ended(session.session_id)


def test_an_upload_and_a_file_whose_connections_break_are_sent_again(
    server: Server, proxy: FaultyProxy, opening: Opening, tiny_avatar: Path, sound: Path, tmp_path: Path
) -> None:
    proxy.faults += [
        Fault("POST", "lose answer", "avatars"),
        Fault("GET", "refuse", "status", 429),
        Fault("GET", "refuse", "status", 503),
        Fault("GET", "cut answer", "/video/"),
    ]
    with opening(proxy.url) as avatar:
        session = avatar.create_session(tiny_avatar)
        avatar.wait_until_ready(session)
        saved = avatar.save_video(avatar.speak(session, audio=sound), tmp_path / "whole.mp4")
    assert proxy.faults == []
    fetched = [seen.path for seen in proxy.seen if "/video/" in seen.path]
    assert saved.read_bytes() == server.http.get(fetched[-1]).content
    assert not list(tmp_path.glob("*.part"))


def test_a_job_is_waited_for_and_another_is_cancelled(
    server: Server, proxy: FaultyProxy, opening: Opening, sound: Path, tmp_path: Path
) -> None:
    session = server.ready()
    told: Told = []
    proxy.faults += [Fault("POST", "lose answer", "async=true"), Fault("GET", "cut answer", "/jobs/")]
    with opening(proxy.url) as avatar:
        job = avatar.submit(session, audio=sound, metadata={"order": 8})
        video = avatar.wait(job, progress=noted(told))
        assert told[-1] == ("done", 1.0)
        assert (video.session_id, video.raw["metadata"]) == (session, {"order": 8})
        assert avatar.save_video(video, tmp_path / "v.mp4").read_bytes()[4:8] == b"ftyp"
        assert avatar.job(job).status == "done"
        other = avatar.submit(session, "I would go on for a long while, if only somebody listened. " * 20)
        assert avatar.cancel(other).status in ("queued", "running", "cancelled")
        with pytest.raises(TalkingAvatarError) as cancelled:
            avatar.wait(other)
    assert cancelled.value.code == "interrupted"
    submitted = {seen.headers["Idempotency-Key"] for seen in proxy.seen if "async=true" in seen.path}
    assert len(submitted) == 2


def test_a_stream_is_watched_and_left(server: Server, opening: Opening, sound: Path) -> None:
    session = server.ready()
    with opening(server.url) as avatar:
        whole = b"".join(avatar.stream(session, audio=sound))
        assert whole[4:8] == b"ftyp"
        assert b"moof" in whole
        before = server.stored.keys("jobs/")
        pieces = avatar.stream(session, "I would go on for a long while, if only somebody stayed. " * 20)
        assert next(pieces)[4:8] == b"ftyp"
        pieces.close()
    (job,) = server.stored.keys("jobs/") - before
    wait_until(lambda: server.stored.job(job[5:-5])["state"] == "cancelled")


def test_a_stream_that_is_refused_says_why(server: Server, opening: Opening) -> None:
    with opening(server.url) as avatar, pytest.raises(TalkingAvatarError) as refused:
        next(avatar.stream("nobody", "Hello."))
    assert refused.value.code == "session_not_found"


@pytest.mark.parametrize("form", sorted(CLIENTS))
def test_a_stream_that_breaks_and_a_server_that_is_gone_are_told(fresh_ground: Ground, form: str) -> None:
    with Server(fresh_ground) as server, CLIENTS[form](server.url, patience=0) as avatar:
        pieces = avatar.stream(server.ready(), "I would go on for a long while. " * 20)
        next(pieces)
        server.kill()
        with pytest.raises(TalkingAvatarError) as broken:
            list(pieces)
        with pytest.raises(TalkingAvatarError) as gone:
            avatar.voices()
    assert (broken.value.code, broken.value.retryable) == ("stream_broken", True)
    assert (gone.value.code, gone.value.retryable, gone.value.status) == ("unreachable", True, 0)
