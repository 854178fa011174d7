"""Every action through the queue: what it answers, and that it answers the same twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from tests.worker.clips import hum, wav_base64
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker

pytestmark = pytest.mark.usefixtures("worker")

GENERATED = {
    "video_url", "audio_url", "captions_url", "subtitles_url", "thumbnail_url", "video_key", "audio_key",
    "captions_key", "subtitles_key", "thumbnail_key", "session_id",
    "duration", "frames", "words", "renderer", "timings", "gpu_seconds",
    "tts_characters", "voice_used", "expires_at", "warnings", "metadata",
}  # fmt: skip


@pytest.fixture(scope="module")
def session(endpoint: Endpoint, worker: Worker) -> dict[str, Any]:
    return endpoint.output({"action": "create_session", "session_id": "ada"})


@pytest.fixture(scope="module")
def generated(endpoint: Endpoint, session: dict[str, Any]) -> dict[str, Any]:
    return endpoint.output(
        {
            "session_id": session["session_id"],
            "text": "Hello, good morning.",
            "metadata": {"order": [1, "ä", None], "none": None},
        }
    )


def test_a_created_session_is_ready(session: dict[str, Any]) -> None:
    assert session["session_id"] == "ada"
    assert session["status"] == "ready"
    assert session["message"] == "Session is ready"
    assert session["avatar_prepared"] is True
    assert session["renderer"] == "preview"
    assert (session["avatar"]["width"], session["avatar"]["height"]) == (256, 256)


def test_a_session_s_status_is_what_creating_it_answered(endpoint: Endpoint, session: dict[str, Any]) -> None:
    assert endpoint.output({"action": "status", "session_id": "ada"}) == session


def test_without_a_session_the_status_is_the_worker_s(endpoint: Endpoint) -> None:
    health = endpoint.output({"action": "status"})
    assert health["status"] == "healthy"
    assert health["models_loaded"] is True
    assert health["renderer"] == "preview"
    assert health["device"] == "cpu"
    assert health["cuda_available"] is False


def test_generate_answers_all_that_is_promised(generated: dict[str, Any]) -> None:
    assert set(generated) == GENERATED
    assert generated["session_id"] == "ada"
    assert generated["frames"] == round(generated["duration"] * 25)
    assert [word["text"] for word in generated["words"]]
    assert all(0 <= word["start"] <= word["end"] <= generated["duration"] + 0.1 for word in generated["words"])
    assert generated["tts_characters"] == len("Hello, good morning.")
    assert generated["gpu_seconds"] == 0
    assert generated["timings"]["total"] > 0
    assert generated["metadata"] == {"order": [1, "ä", None], "none": None}


def test_what_generate_made_can_be_played(generated: dict[str, Any]) -> None:
    with av.open(generated["video_url"]) as video:
        picture = video.streams.video[0]
        assert (picture.width, picture.height, picture.frames) == (256, 256, generated["frames"])
        assert len(video.streams.audio) == 1
    with av.open(generated["audio_url"]) as sound:
        assert sound.streams.audio[0].codec_context.name.startswith("mp3")
    assert Path(generated["captions_url"]).read_text().startswith("WEBVTT")
    assert Path(generated["thumbnail_url"]).read_bytes().startswith(b"\xff\xd8")


def test_one_call_takes_an_avatar_and_a_sound(endpoint: Endpoint, ground: Ground, tiny_avatar: Path) -> None:
    avatar = ground.avatars / "own.mp4"
    avatar.write_bytes(tiny_avatar.read_bytes())
    output = endpoint.output({"avatar_video_path": str(avatar), "audio_base64": wav_base64(hum(0.5))})
    assert output["duration"] == pytest.approx(0.5, abs=0.04)
    assert output["words"] == []
    assert output["tts_characters"] == 0


def test_an_idle_loop_has_all_but_sound(endpoint: Endpoint, session: dict[str, Any]) -> None:
    output = endpoint.output({"session_id": session["session_id"], "idle": True, "height": 128, "metadata": 1})
    assert set(output) == GENERATED - {"audio_url", "audio_key", "voice_used"}
    with av.open(output["video_url"]) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert file.streams.video[0].height == 128


def test_a_job_handed_out_twice_answers_the_same(endpoint: Endpoint, queue: QueueStandIn, ground: Ground) -> None:
    job_id = endpoint.run({"text": "Once and once only."})
    first = endpoint.ended(job_id)["output"]
    outputs = ground.stored("outputs/")
    queue.hand_out_again(job_id)
    assert endpoint.ended(job_id)["output"] == first
    assert len(queue.handed_to(job_id)) == 2
    assert ground.stored("outputs/") == outputs


def test_another_job_has_outputs_of_its_own(endpoint: Endpoint, generated: dict[str, Any]) -> None:
    again = endpoint.output({"session_id": "ada", "text": "Hello, good morning."})
    assert again["video_key"] != generated["video_key"]
    assert again["frames"] == generated["frames"]


def test_runsync_answers_with_the_output(endpoint: Endpoint) -> None:
    answer = endpoint.runsync({"action": "status"})
    assert (answer["status"], answer["output"]["status"]) == ("COMPLETED", "healthy")
    assert answer["id"].startswith("sync-")


def test_a_deleted_session_is_gone_with_all_that_it_made(endpoint: Endpoint, ground: Ground) -> None:
    endpoint.output({"action": "create_session", "session_id": "brief"})
    made = endpoint.output({"session_id": "brief", "text": "Hi."})
    assert made["video_key"] in ground.stored()
    assert endpoint.output({"action": "delete_session", "session_id": "brief"}) == {
        "message": "Session deleted successfully"
    }
    assert endpoint.error({"action": "status", "session_id": "brief"})["code"] == "session_not_found"
    assert made["video_key"] not in ground.stored()


def test_nothing_half_made_is_left_after_all_this(ground: Ground, generated: dict[str, Any]) -> None:
    assert ground.half_made() == set()
