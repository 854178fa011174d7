"""A whole job whose device runs out of memory on the way: its video is the one that it would have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.lipsync.choose import choose_renderer
from engine.lipsync.preview import PreviewDrawing, PreviewLipSync
from engine.lipsync.renderer import DeviceMemoryExhausted, Shot
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64

JOB = {"audio_base64": wav_base64(hum(2.0)), "avatar_video_path": "head.mp4"}


class ExhaustedOnce(PreviewLipSync):
    """Its fifth batch finds no memory."""

    def __init__(self) -> None:
        self.begun = 0
        self.relieved = 0

    def begin(self, shots: Sequence[Shot]) -> PreviewDrawing:
        self.begun += 1
        if self.begun == 5:
            raise DeviceMemoryExhausted
        return super().begin(shots)

    def relieve(self) -> None:
        self.relieved += 1


def pictures(ground: EngineGround, key: str) -> NDArray[np.uint8]:
    with av.open(str(ground.folder / "store" / key)) as video:
        return np.stack([frame.to_ndarray() for frame in video.decode(video=0)]).astype(np.uint8)


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halved")
    (folder / "avatars").mkdir()
    talking_head(folder / "avatars" / "head.mp4", 6)
    return folder


def test_a_job_goes_on_in_smaller_batches_to_the_same_pictures(avatars: Path) -> None:
    ground = EngineGround(avatars).open()
    plain = ground.run(JOB)
    lipsync = ExhaustedOnce()
    ground.open(replace(choose_renderer(ground.settings()), lipsync=lipsync))
    halved = ground.run(JOB)
    assert lipsync.relieved == 1
    assert not ground.engine.worn
    assert halved["frames"] == plain["frames"] == 50
    assert np.array_equal(pictures(ground, halved["video_key"]), pictures(ground, plain["video_key"]))
