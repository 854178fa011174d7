"""Pictures of every height go into libav as they are."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engine.video.av_frame import av_frame
from engine.video.encode import EncoderSettings, Mp4Writer
from engine.video.i420 import I420
from engine.video.thumbnail import thumbnail

HEIGHTS = (96, 98, 100, 102)


def flat(height: int) -> I420:
    picture = I420.blank(128, height)
    picture.y[:], picture.u[:], picture.v[:] = 60, 100, 160
    return picture


@pytest.mark.parametrize("height", HEIGHTS)
def test_no_sample_moves(height: int) -> None:
    picture = flat(height)
    frame = av_frame(picture)
    assert (frame.width, frame.height) == (128, height)
    assert np.array_equal(frame.to_ndarray(), picture.packed)


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_flat_picture_is_flat_in_a_video(tmp_path: Path, height: int) -> None:
    with Mp4Writer(tmp_path / "flat.mp4", 128, height, EncoderSettings()) as writer:
        writer.write_frame(flat(height))
    with av.open(str(tmp_path / "flat.mp4")) as file:
        shown = I420(np.ascontiguousarray(next(file.decode(video=0)).to_ndarray()))
    assert np.ptp(shown.u) <= 2
    assert np.ptp(shown.v) <= 2


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_flat_picture_is_flat_in_its_thumbnail(height: int) -> None:
    with Image.open(BytesIO(thumbnail(flat(height)))) as file:
        shown = np.asarray(file).astype(int)
    assert np.ptp(shown, axis=(0, 1)).max() <= 4
