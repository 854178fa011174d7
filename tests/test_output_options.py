"""The size and the quality that a caller asks for, and the signature that an operator's certificate gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from c2pa import Reader
from pydantic import SecretStr

from engine.errors import ConfigurationError, IdempotencyConflict, InvalidInput
from engine.outages import TimestampUnavailable
from tests.engine_ground import EngineGround
from tests.provenance.certificates import issue
from tests.worker.clips import hum, talking_head, wav_base64

SOUND = {"audio_base64": wav_base64(hum(0.4))}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> EngineGround:
    ground = EngineGround(tmp_path_factory.mktemp("options")).open()
    talking_head(ground.folder / "avatars" / "default.mp4", frames=10)
    return ground


def size_of(path: str) -> tuple[int, int]:
    with av.open(path) as file:
        return file.streams.video[0].width, file.streams.video[0].height


def test_a_smaller_video_comes_with_a_thumbnail_of_its_size(ground: EngineGround) -> None:
    reply = ground.run({**SOUND, "height": 130})
    assert size_of(reply["video_url"]) == (130, 130)
    thumbnail = cv2.imread(reply["thumbnail_url"])
    assert thumbnail is not None
    assert thumbnail.shape[:2] == (130, 130)
    assert reply["warnings"] == []
    with av.open(reply["video_url"]) as file:
        codec = file.streams.video[0].codec_context
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)


def test_a_larger_video_than_the_avatar_is_as_large_as_the_avatar(ground: EngineGround) -> None:
    reply = ground.run({**SOUND, "height": 1080})
    assert size_of(reply["video_url"]) == (256, 256)
    assert reply["warnings"] == ["`height` is 1080, and the avatar's is 256: so is the video's."]


def test_quality_is_paid_in_bytes(ground: EngineGround) -> None:
    replies = [ground.run({**SOUND, "quality": quality}) for quality in ("draft", "standard", "high")]
    sizes = [Path(reply["video_url"]).stat().st_size for reply in replies]
    assert sizes[0] < 0.7 * sizes[1]
    assert sizes[2] > 1.2 * sizes[1]
    plain = ground.run(SOUND)
    assert Path(plain["video_url"]).read_bytes() == Path(replies[1]["video_url"]).read_bytes()


def test_one_idempotency_key_is_of_one_size_and_quality(ground: EngineGround) -> None:
    asked: dict[str, Any] = {**SOUND, "height": 128, "idempotency_key": "small"}
    first = ground.run(asked)
    assert ground.run(asked)["video_key"] == first["video_key"]
    for other in ({"height": 130}, {"height": None}, {"quality": "draft"}):
        with pytest.raises(IdempotencyConflict):
            ground.run({**asked, **other})


@pytest.mark.parametrize("height", [127, 129, 2161, 2162, 0, -128, 256.0, "256", True])
def test_a_height_that_cannot_be_is_refused(ground: EngineGround, height: object) -> None:
    with pytest.raises(InvalidInput, match="`height`"):
        ground.run({**SOUND, "height": height})


def test_an_unknown_quality_is_refused(ground: EngineGround) -> None:
    with pytest.raises(InvalidInput, match="`quality`"):
        ground.run({**SOUND, "quality": "best"})


def test_captions_come_as_subrip_too(ground: EngineGround) -> None:
    reply = ground.run({"text": "Good morning."})
    assert Path(reply["subtitles_url"]).read_text().startswith("1\n00:00:00,")
    assert reply["subtitles_key"].endswith("/captions.srt")


def signing(folder: Path, **settings: Any) -> EngineGround:
    issued = issue()
    pair: dict[str, Any] = {"c2pa_certificate": issued.certificate, "c2pa_private_key": SecretStr(issued.private_key)}
    ground = EngineGround(folder).open(**pair, **settings)
    talking_head(folder / "avatars" / "default.mp4", frames=10)
    return ground


def test_with_a_certificate_every_stored_video_is_signed(tmp_path: Path) -> None:
    ground = signing(tmp_path)
    for asked in (SOUND, {"idle": True}, {**SOUND, "stream": True}):
        with Reader(ground.run(asked)["video_url"]) as reader:
            assert reader.get_validation_state() == "Valid"
    assert ground.left_in_scratch() == []


def test_a_video_that_cannot_be_signed_is_not_stored(tmp_path: Path) -> None:
    ground = signing(tmp_path, c2pa_timestamp_url="http://127.0.0.1:9/")
    with pytest.raises(TimestampUnavailable):
        ground.run(SOUND)
    assert not [key for key in ground.stored() if key.startswith("outputs/")]
    assert ground.left_in_scratch() == []


def test_a_certificate_that_cannot_sign_stops_the_start(tmp_path: Path) -> None:
    mixed: dict[str, Any] = {
        "c2pa_certificate": issue().certificate,
        "c2pa_private_key": SecretStr(issue().private_key),
    }
    with pytest.raises(ConfigurationError, match="C2PA_PRIVATE_KEY is not the key"):
        EngineGround(tmp_path).open(**mixed)
