"""Bad input, one row each: the error's code, a sentence, and a store that is as it was before."""

from __future__ import annotations

import base64
import io
import wave
import zlib
from typing import Any

import numpy as np
import pytest

from engine.errors import EngineError
from tests.engine_ground import EngineGround
from tests.worker.clips import grey_clip, hum, talking_head, wav_base64


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> EngineGround:
    ground = EngineGround(tmp_path_factory.mktemp("bad")).open(
        max_text_characters=50, max_audio_seconds=3, max_audio_bytes=200_000, max_avatar_seconds=5,
        max_avatar_bytes=2_000_000, max_avatar_pixels=512 * 512,
    )  # fmt: skip
    avatars = ground.folder / "avatars"
    talking_head(avatars / "default.mp4", frames=5)
    whole = (avatars / "default.mp4").read_bytes()
    (avatars / "truncated.mp4").write_bytes(whole[: len(whole) // 3])
    (avatars / "text.mp4").write_text("not a video")
    (avatars / "empty.mp4").write_bytes(b"")
    (avatars / "sound.wav").write_bytes(base64.b64decode(wav_base64(hum(1))))
    (avatars / "large.mp4").write_bytes(whole + bytes(2_000_000))
    (avatars / "playlist.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{avatars / 'default.mp4'}\n#EXT-X-ENDLIST\n")
    (ground.folder / "secret.mp4").write_bytes(whole)
    (avatars / "link.mp4").symlink_to(ground.folder / "secret.mp4")
    grey_clip(avatars / "nobody.mp4")
    grey_clip(avatars / "long.mp4", frames=130)
    (avatars / "bomb.png").write_bytes(_png_bomb())
    ground.run({"action": "create_session", "session_id": "ready"})
    with pytest.raises(EngineError):
        ground.run({"action": "create_session", "session_id": "failed", "avatar_video_path": "nobody.mp4"})
    return ground


def _png_bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def silent_wav(seconds: float) -> str:
    return wav_base64(np.zeros(round(seconds * 16_000), np.int16))


def eight_bit_hour() -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(40)
        file.writeframes(bytes(range(256)) * 600)
    return base64.b64encode(buffer.getvalue()).decode()


def avatar(name: str) -> dict[str, Any]:
    return {"action": "create_session", "avatar_video_path": name}


ADMISSION = [
    ({"action": "dance"}, "unknown_action"),
    ({"action": "generate", "txt": "Hi"}, "invalid_input"),
    ({"text": ["Hi"]}, "invalid_input"),
    ({"text": ""}, "invalid_text"),
    ({"text": " \n\t "}, "invalid_text"),
    ({"text": "..."}, "invalid_text"),
    ({"text": "bell \x07"}, "invalid_text"),
    ({"text": "x" * 51}, "text_too_long"),
    ({"session_id": "nobody-knows", "text": "Hi"}, "session_not_found"),
    ({"session_id": "failed", "text": "Hi"}, "session_failed"),
    ({"action": "status", "session_id": "nobody-knows"}, "session_not_found"),
    ({"action": "delete_session", "session_id": "nobody-knows"}, "session_not_found"),
    ({"audio_base64": "***"}, "audio_unreadable"),
    ({"audio_base64": ""}, "audio_too_short"),
    ({"audio_base64": "A" * 300_000}, "audio_too_large"),
    (avatar("missing.mp4"), "avatar_not_found"),
    (avatar("../secret.mp4"), "avatar_not_allowed"),
    (avatar("/etc/passwd"), "avatar_not_allowed"),
    (avatar("link.mp4"), "avatar_not_allowed"),
    (avatar("a\0b"), "avatar_not_allowed"),
    (avatar("x" * 5000), "avatar_not_found"),
    (avatar("a/" * 5000), "avatar_not_found"),
    (avatar("ftp://example.com/a.mp4"), "avatar_not_allowed"),
    (avatar("http://127.0.0.1/a.mp4"), "url_not_allowed"),
    (avatar("https://169.254.169.254/latest/meta-data"), "url_not_allowed"),
    ({"text": "Hi", "avatar_video_path": "missing.mp4"}, "avatar_not_found"),
    ({"audio_url": "http://localhost/a.wav"}, "url_not_allowed"),
]

WORK = [
    (avatar("text.mp4"), "media_unreadable"),
    (avatar("empty.mp4"), "media_unreadable"),
    (avatar("truncated.mp4"), "media_unreadable"),
    (avatar("sound.wav"), "media_unreadable"),
    (avatar("playlist.m3u8"), "media_unreadable"),
    (avatar("nobody.mp4"), "no_face"),
    (avatar("long.mp4"), "avatar_too_long"),
    (avatar("large.mp4"), "avatar_too_large"),
    (avatar("bomb.png"), "avatar_too_large"),
    ({"session_id": "ready", "audio_base64": base64.b64encode(b"not sound").decode()}, "audio_unreadable"),
    ({"session_id": "ready", "audio_base64": wav_base64(hum(0.05))}, "audio_too_short"),
    ({"session_id": "ready", "audio_base64": silent_wav(1)}, "audio_silent"),
    ({"session_id": "ready", "audio_base64": wav_base64(hum(3.5))}, "audio_too_long"),
    ({"session_id": "ready", "audio_base64": eight_bit_hour()}, "audio_too_long"),
    ({"session_id": "ready", "text": "Hi", "start_seconds": 60}, "invalid_input"),
]


def refused(ground: EngineGround, job_input: dict[str, Any]) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ground.run(job_input)
    message = caught.value.message
    assert message.endswith((".", "?"))
    assert str(ground.folder) not in message
    assert "Traceback" not in message
    assert ground.left_in_scratch() == []
    return caught.value


@pytest.mark.parametrize(("job_input", "code"), ADMISSION)
def test_what_is_wrong_by_itself_is_refused_before_anything_is_written(
    ground: EngineGround, job_input: dict[str, Any], code: str
) -> None:
    before = ground.stored()
    assert refused(ground, job_input).code == code
    assert ground.stored() == before


@pytest.mark.parametrize(("job_input", "code"), WORK)
def test_what_the_work_finds_out_leaves_only_a_record_of_it(
    ground: EngineGround, job_input: dict[str, Any], code: str
) -> None:
    before = ground.stored()
    assert refused(ground, job_input).code == code
    after = ground.stored()
    assert {key: etag for key, etag in after.items() if key in before} == before
    added = [key for key in after if key not in before]
    kinds = sorted(key.partition("/")[0] for key in added)
    # Of a session also its place in the list of its owner's; of a voice's work also what it has cost.
    assert kinds in (["owners", "sessions"], ["jobs"], ["audit", "jobs", "usage"])


def test_a_session_that_is_not_ready_cannot_speak_yet(ground: EngineGround) -> None:
    talking_head(ground.folder / "avatars" / "another.mp4", frames=6)
    codes: list[str] = []

    def speak_too_early(told: dict[str, Any]) -> None:
        if not codes:
            with pytest.raises(EngineError) as caught:
                ground.run({"session_id": told["session_id"], "text": "Hi"})
            codes.append(caught.value.code)

    ground.run(avatar("another.mp4"), progress=speak_too_early)
    assert codes == ["session_not_ready"]
