"""The default avatar: what the built file says of itself, and that it moves like a person and loops."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from builder.default_avatar import build, moving_portrait
from builder.portrait_motion import FRAMES, PortraitMotion, Pose
from engine.video.i420 import I420, Bytes


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avatar") / "nested" / "default.mp4"
    build(path, 192, 226)
    return path


def test_is_six_seconds_of_tagged_h264_without_sound(clip: Path) -> None:
    with av.open(str(clip)) as container:
        assert not container.streams.audio
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 192, 226)
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1, 1)
        times = [frame.time for frame in container.decode(stream)]
    assert times == pytest.approx([index / 25 for index in range(150)])


def test_the_same_bytes_every_time(clip: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    build(again, 192, 226)
    assert again.read_bytes() == clip.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_loops_without_a_jump() -> None:
    frames = [frame.y.astype(np.int16) for frame in moving_portrait(_chequered(), 96, 112)]
    steps = [float(np.abs(after - before).mean()) for before, after in pairwise(frames)]
    assert float(np.abs(frames[0] - frames[-1]).mean()) <= max(steps)
    assert Pose.at(0.0).turn == pytest.approx(Pose.at(1.0).turn)


def test_the_head_moves_and_the_background_does_not() -> None:
    frames = np.stack([frame.y for frame in moving_portrait(_chequered(), 192, 224)]).astype(np.int16)
    spread = np.ptp(frames, axis=0)
    assert spread[70:110, 80:115].mean() > 20
    assert spread[:100, :16].max() <= 1
    assert spread[:100, -16:].max() <= 1


def test_a_wide_frame_shows_the_whole_portrait_on_a_ground_of_its_own() -> None:
    frame = next(moving_portrait(_chequered(), 320, 180))
    assert (frame.width, frame.height) == (320, 180)
    assert frame.y[:, 120:200].std() > 4 * frame.y[:, :40].std()


def test_motion_keeps_the_size() -> None:
    still = I420(np.full((60, 32), 128, np.uint8))
    moved = PortraitMotion(32, 40).frame(still, FRAMES // 3)
    assert np.array_equal(moved.packed, still.packed)


def _chequered() -> Bytes:
    rows, columns = np.indices((240, 204)) // 6
    return np.repeat(((rows + columns) % 2 * 200 + 20).astype(np.uint8)[..., None], 3, axis=2)
