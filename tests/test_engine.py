"""The engine's door: the four actions, done for real with the preview renderer and the local store."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import ConfigurationError, Conflict, InvalidInput, NoFace, SessionFailed, SessionNotFound
from engine.settings import read_settings
from engine.video.encode import EncoderSettings, VideoEncoder
from engine.video.quality import Quality
from tests.engine_ground import EngineGround
from tests.media.made import recording, tone
from tests.worker.clips import grey_clip, hum, talking_head, wav_base64


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("clip") / "face.mp4", frames=10)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> EngineGround:
    ground = EngineGround(tmp_path_factory.mktemp("engine")).open()
    shutil.copy(clip, ground.folder / "avatars" / "default.mp4")
    return ground


@pytest.fixture
def fresh(tmp_path: Path, clip: Path) -> Iterator[EngineGround]:
    ground = EngineGround(tmp_path).open()
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    yield ground
    assert ground.left_in_scratch() == []


@dataclass(frozen=True)
class Absent:
    """An encoder for a device that no machine of ours has."""

    codec: str = "h264_v4l2m2m"
    threads: int = 1
    instead: EncoderSettings = field(default_factory=EncoderSettings)

    def options(self) -> dict[str, str]:
        return {}

    def at(self, quality: Quality) -> VideoEncoder:
        return self


def frames_of(path: str) -> int:
    with av.open(path) as file:
        return sum(1 for _ in file.decode(video=0))


def test_a_text_becomes_a_video_in_one_call(fresh: EngineGround) -> None:
    told: list[dict[str, Any]] = []
    reply = fresh.run({"text": "Good morning.", "metadata": {"order": 7}}, progress=told.append)
    assert frames_of(reply["video_url"]) == reply["frames"] > 10
    assert reply["duration"] == reply["frames"] / 25
    assert [word["text"] for word in reply["words"]] == ["Good", "morning."]
    assert Path(reply["captions_url"]).read_text().startswith("WEBVTT")
    assert Path(reply["thumbnail_url"]).read_bytes().startswith(b"\xff\xd8")
    assert Path(reply["audio_url"]).stat().st_size > 1000
    assert reply["renderer"] == "preview"
    assert reply["gpu_seconds"] == 0
    assert reply["tts_characters"] == len("Good morning.")
    assert reply["voice_used"]
    assert reply["metadata"] == {"order": 7}
    assert reply["timings"]["total"] > 0
    assert [item["progress"] for item in told] == sorted(item["progress"] for item in told)
    assert {item["session_id"] for item in told} == {reply["session_id"]}
    session = fresh.run({"action": "status", "session_id": reply["session_id"]})
    assert session["status"] == "ready"


def test_a_session_is_prepared_once_and_speaks_often(ground: EngineGround) -> None:
    created = ground.run({"action": "create_session", "session_id": "often"})
    assert created["status"] == "ready"
    assert created["avatar_prepared"] is True
    assert created["avatar"]["width"] == 256
    assert created["message"] == "Session is ready"
    sound = wav_base64(hum(0.4))
    first = ground.run({"session_id": "often", "audio_base64": sound})
    second = ground.run({"session_id": "often", "audio_base64": sound})
    assert first["frames"] == second["frames"] == 10
    assert first["video_key"] != second["video_key"]
    assert first["words"] == []
    assert first["tts_characters"] == 0
    assert "voice_used" not in first


def test_the_same_avatar_is_not_prepared_again(ground: EngineGround) -> None:
    ground.run({"action": "create_session", "session_id": "once"})
    before = {key: etag for key, etag in ground.stored().items() if key.startswith("avatars/")}
    told: list[dict[str, Any]] = []
    ground.run({"action": "create_session", "session_id": "again"}, progress=told.append)
    after = {key: etag for key, etag in ground.stored().items() if key.startswith("avatars/")}
    assert {key for key in after if key not in before} == {
        key.replace("/refs/once", "/refs/again") for key in before if key.endswith("/refs/once")
    }
    assert "finding the face" not in {item["stage"] for item in told}


def test_the_same_job_gives_the_stored_result(ground: EngineGround) -> None:
    job = {"text": "Twice."}
    first = ground.run(job, job_id="repeated")
    before = ground.stored()
    assert ground.run(job, job_id="repeated") == first
    assert ground.stored() == before


def test_the_same_job_with_another_input_is_a_new_result(ground: EngineGround) -> None:
    first = ground.run({"text": "One."}, job_id="reused")
    second = ground.run({"text": "One, and two."}, job_id="reused")
    assert second["frames"] > first["frames"]
    assert second["video_key"] != first["video_key"]
    assert Path(first["video_url"]).exists()


def test_the_same_job_with_another_recording_is_a_new_result(ground: EngineGround) -> None:
    first = ground.run({"audio_base64": wav_base64(hum(0.2))}, job_id="resounded")
    second = ground.run({"audio_base64": wav_base64(hum(0.4))}, job_id="resounded")
    assert (first["frames"], second["frames"]) == (5, 10)


def test_a_stored_result_whose_video_is_gone_is_made_again(ground: EngineGround) -> None:
    first = ground.run({"text": "Gone."}, job_id="swept")
    ground.engine.store.delete(first["video_key"])
    again = ground.run({"text": "Gone."}, job_id="swept")
    assert again["video_key"] == first["video_key"]
    assert frames_of(again["video_url"]) == first["frames"]


def test_local_runs_are_never_answered_from_the_store(ground: EngineGround) -> None:
    first = ground.run({"text": "Local."}, job_id="local_test")
    second = ground.run({"text": "Local."}, job_id="local_test")
    assert first["video_key"] != second["video_key"]


def test_a_queue_id_that_is_no_key_still_works(ground: EngineGround) -> None:
    reply = ground.run({"text": "Odd."}, job_id="sync:../../odd id/é")
    assert ".." not in reply["video_key"]


def test_create_with_the_same_id_and_avatar_is_idempotent(ground: EngineGround) -> None:
    first = ground.run({"action": "create_session", "session_id": "mine"})
    assert ground.run({"action": "create_session", "session_id": "mine"}) == first
    with pytest.raises(Conflict, match="another avatar"):
        ground.run({"action": "create_session", "session_id": "mine", "avatar_video_path": "default.mp4"})


def test_a_session_that_had_begun_and_was_deleted_is_not_made_anew(ground: EngineGround) -> None:
    create = {"action": "create_session", "session_id": "gone", "begun": True}
    with pytest.raises(SessionNotFound):
        ground.run(create)
    assert not ground.engine.sessions.exists("gone")
    ground.run({**create, "begun": False})
    assert ground.run(create)["status"] == "ready"


def test_deleting_a_session_takes_its_outputs_and_leaves_the_avatar(fresh: EngineGround) -> None:
    fresh.run({"action": "create_session", "session_id": "brief"})
    fresh.run({"session_id": "brief", "text": "Bye."})
    assert fresh.run({"action": "delete_session", "session_id": "brief"}) == {"message": "Session deleted successfully"}
    left = fresh.stored()
    assert not [key for key in left if key.startswith(("outputs/", "sessions/"))]
    assert not [key for key in left if "/refs/" in key]
    assert [key for key in left if key.endswith("/manifest.json")]
    with pytest.raises(SessionNotFound):
        fresh.run({"action": "delete_session", "session_id": "brief"})


def test_options_are_kept_with_the_session_and_warned_of_where_they_do_nothing(ground: EngineGround) -> None:
    create = {"action": "create_session", "session_id": "cheeky", "left_cheek_width": 60, "extra_margin": 10}
    created = ground.run(create)
    warning = "`left_cheek_width` has no effect on the renderer `preview`."
    assert created["avatar"]["warnings"] == [warning]
    record = ground.engine.records.sessions.get("cheeky")
    assert record is not None
    assert record.options == {"left_cheek_width": 60}
    assert ground.run(create) == created
    with pytest.raises(Conflict, match="other options"):
        ground.run({"action": "create_session", "session_id": "cheeky", "left_cheek_width": 61})
    spoken = ground.run({"session_id": "cheeky", "audio_base64": wav_base64(hum(0.2))})
    assert spoken["warnings"] == [warning]


def test_options_of_a_call_that_does_both_are_warned_of_too(ground: EngineGround) -> None:
    sound = wav_base64(hum(0.2))
    plain = ground.run({"audio_base64": sound})
    chosen = ground.run({"audio_base64": sound, "parsing_mode": "raw"})
    assert plain["warnings"] == []
    assert chosen["warnings"] == ["`parsing_mode` has no effect on the renderer `preview`."]


def test_a_failed_preparation_ends_its_session_with_the_reason(fresh: EngineGround) -> None:
    grey_clip(fresh.folder / "avatars" / "nobody.mp4")
    with pytest.raises(NoFace):
        fresh.run({"action": "create_session", "session_id": "empty", "avatar_video_path": "nobody.mp4"})
    status = fresh.run({"action": "status", "session_id": "empty"})
    assert status["status"] == "error"
    assert status["error_code"] == "no_face"
    assert status["avatar_prepared"] is False
    with pytest.raises(SessionFailed, match="face"):
        fresh.run({"session_id": "empty", "text": "Hello"})
    assert not [key for key in fresh.stored() if key.startswith("avatars/")]


def test_a_failed_session_can_be_created_again(fresh: EngineGround, clip: Path) -> None:
    grey_clip(fresh.folder / "avatars" / "later.mp4")
    create = {"action": "create_session", "session_id": "second-try", "avatar_video_path": "later.mp4"}
    with pytest.raises(NoFace):
        fresh.run(create)
    shutil.copy(clip, fresh.folder / "avatars" / "later.mp4")
    assert fresh.run(create)["status"] == "ready"


def test_base64_may_come_in_lines_as_tools_wrap_it(ground: EngineGround) -> None:
    lines = base64.encodebytes(base64.b64decode(wav_base64(hum(0.4)))).decode()
    assert "\n" in lines.strip()
    assert ground.run({"audio_base64": lines})["frames"] == 10


def test_a_recording_that_ends_early_is_used_with_a_warning(ground: EngineGround, tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole.mka", [tone(4)], 48_000, "libopus", "matroska").read_bytes()
    reply = ground.run({"audio_base64": base64.b64encode(whole[: len(whole) // 2]).decode()})
    assert 25 < reply["frames"] < 75
    assert any("ends earlier" in warning for warning in reply["warnings"])


def test_cut_off_ends_with_the_avatar(ground: EngineGround) -> None:
    sound = wav_base64(hum(1.0))
    reply = ground.run({"audio_base64": sound, "sync_mode": "cut_off", "start_seconds": 0.2})
    assert reply["frames"] == 5
    with pytest.raises(InvalidInput, match=r"lasts 0\.4 s"):
        ground.run({"audio_base64": sound, "start_seconds": 0.4})


def test_cancel_while_drawing_leaves_nothing_half_made(fresh: EngineGround) -> None:
    fresh.run({"action": "create_session", "session_id": "cancelled"})
    before = fresh.stored()
    cancel = CancelToken()

    def cancel_when_drawing(told: dict[str, Any]) -> None:
        if told["stage"] == "drawing":
            cancel.cancel()

    with pytest.raises(Cancelled):
        fresh.run(
            {"session_id": "cancelled", "audio_base64": wav_base64(hum(8))},
            job_id="stopped",
            progress=cancel_when_drawing,
            cancel=cancel,
        )
    added = set(fresh.stored()) - set(before)
    assert added == {"jobs/stopped.json"}
    record = fresh.engine.records.jobs.get("stopped")
    assert record is not None
    assert record.state == "cancelled"


def test_cancel_while_preparing_ends_the_session(fresh: EngineGround) -> None:
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        fresh.run(
            {"action": "create_session", "session_id": "halted"}, progress=lambda _: cancel.cancel(), cancel=cancel
        )
    status = fresh.run({"action": "status", "session_id": "halted"})
    assert status["status"] == "error"
    assert status["error_code"] == "interrupted"


def test_a_session_deleted_while_its_video_is_made_gets_no_output(fresh: EngineGround) -> None:
    fresh.run({"action": "create_session", "session_id": "leaving"})

    def delete_when_drawing(told: dict[str, Any]) -> None:
        if told["stage"] == "drawing" and fresh.engine.records.sessions.get("leaving"):
            fresh.run({"action": "delete_session", "session_id": "leaving"})

    with pytest.raises(SessionNotFound, match="deleted while"):
        fresh.run({"session_id": "leaving", "audio_base64": wav_base64(hum(0.4))}, progress=delete_when_drawing)
    assert not [key for key in fresh.stored() if key.startswith(("outputs/", "sessions/"))]


def test_health_names_device_renderer_and_versions(ground: EngineGround) -> None:
    health = ground.run({"action": "status"})
    assert health["status"] == "healthy"
    assert health["device"] == "cpu"
    assert health["cuda_available"] is False
    assert health["models_loaded"] is True
    assert health["renderer"] == "preview"
    assert health["versions"]["runpod"].startswith("1.12")
    assert health["versions"]["encoder"] in ("libx264", "h264_nvenc")


def test_a_second_job_on_an_avatar_takes_no_more_memory(fresh: EngineGround) -> None:
    memory = fresh.engine.sessions.library.memory
    assert memory.bytes == 0
    held = []
    for _ in range(2):
        fresh.run({"audio_base64": wav_base64(hum(1.0))})
        held.append((memory.names(), memory.bytes))
    assert held[0] == held[1]
    assert len(held[0][0]) == 1
    assert held[0][1] > 10 * 256 * 256 * 3 // 2


def test_a_video_that_the_encoder_refuses_is_made_by_another_with_a_warning(fresh: EngineGround) -> None:
    generation = replace(fresh.engine.generation, encoder=Absent())
    fresh.engine = replace(fresh.engine, generation=generation)
    reply = fresh.run({"audio_base64": wav_base64(hum(0.4))})
    assert frames_of(reply["video_url"]) == reply["frames"] == 10
    assert "The GPU's video encoder didn't take this video, so the processor encoded it." in reply["warnings"]


def test_checks_pass_on_a_good_machine_and_leave_nothing(ground: EngineGround) -> None:
    before = ground.stored()
    for check in ground.engine.checks().values():
        check()
    assert ground.stored() == before
    assert ground.left_in_scratch() == []


DYING = """
import os, sys
from pathlib import Path
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, wav_base64
ground = EngineGround(Path(sys.argv[1])).open()
ground.run({"audio_base64": wav_base64(hum(0.4))}, progress=lambda told: told["stage"] == "drawing" and os._exit(9))
"""


def test_the_next_start_on_a_machine_clears_away_what_a_killed_worker_was_at(fresh: EngineGround) -> None:
    """A container that is started again has the disk that it had."""
    assert subprocess.run([sys.executable, "-c", DYING, str(fresh.folder)], timeout=60).returncode == 9
    assert fresh.left_in_scratch() != []
    fresh.engine.warm()
    assert fresh.left_in_scratch() == []


def test_checks_say_what_is_missing(tmp_path: Path) -> None:
    ground = EngineGround(tmp_path).open(scratch_dir=tmp_path / "absent")
    checks = ground.engine.checks()
    with pytest.raises(ConfigurationError, match="DEFAULT_AVATAR"):
        checks["default_avatar"]()
    with pytest.raises(ConfigurationError, match="SCRATCH_DIR"):
        checks["scratch"]()


def test_an_empty_scratch_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH_DIR", "")
    assert read_settings().scratch_dir is None


def test_a_still_picture_speaks(fresh: EngineGround) -> None:
    with av.open(str(fresh.folder / "avatars" / "default.mp4")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="bgr24")
    cv2.imwrite(str(fresh.folder / "avatars" / "still.png"), picture)
    reply = fresh.run({"avatar_video_path": "still.png", "audio_base64": wav_base64(hum(0.4))})
    assert reply["frames"] == 10


def test_an_upload_is_found_by_its_id(fresh: EngineGround, clip: Path) -> None:
    fresh.engine.store.put("uploads/up-1", clip.read_bytes(), "video/mp4")
    assert fresh.run({"action": "create_session", "avatar_video_path": "up-1"})["status"] == "ready"


def test_the_mouth_moves_while_there_is_sound_and_rests_after_it(ground: EngineGround) -> None:
    """Under half a second of hum, then quiet. Frames 5, 25 and 35 show the same frame of the avatar."""
    sound = np.concatenate([hum(0.4), np.zeros(16_000, np.int16)])
    reply = ground.run({"audio_base64": wav_base64(sound), "sync_mode": "loop"})
    with av.open(reply["video_url"]) as file:
        pictures = [frame.to_ndarray(format="gray").astype(int) for frame in file.decode(video=0)]
    assert len(pictures) == 35
    changed_in_quiet = np.mean(np.abs(pictures[24] - pictures[34]) > 30)
    changed_by_speech = np.mean(np.abs(pictures[4] - pictures[34]) > 30)
    assert changed_in_quiet == 0
    assert changed_by_speech > 0.002


def test_a_one_call_session_deleted_while_drawing_stops_the_work(fresh: EngineGround) -> None:
    """The sound would take far longer to draw than the job's pulse takes to notice."""
    gone: list[str] = []

    def delete_when_drawing(told: dict[str, Any]) -> None:
        if told["stage"] == "drawing" and not gone:
            gone.append(told["session_id"])
            fresh.run({"action": "delete_session", "session_id": told["session_id"]})

    with pytest.raises(SessionNotFound):
        fresh.run({"audio_base64": wav_base64(hum(120))}, job_id="stopped", progress=delete_when_drawing)
    record = fresh.engine.records.jobs.get("stopped")
    assert record is not None
    assert record.progress < 0.95
