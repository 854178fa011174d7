"""Sixteen frames at full size: official layouts and sizes, from the files of weights to the video.

Random weights locate nothing: the landmarks come from a model that says the same of every picture, and the parser's
last layer takes everything for skin, so that boxes and masks are fixed. Every network runs all the same.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules import module as every_module

from bench.network_sizes import FULL
from bench.seeded_weights import pack_seeded, write_seeded
from engine.lipsync.choose import choose_renderer
from engine.lipsync.landmarks import FACE, View
from engine.lipsync.musetalk_models import DWPOSE
from engine.lipsync.musetalk_track import FACE_BOX, LATENTS
from engine.lipsync.renderer import Shot
from engine.lipsync.windows import position_encoding
from engine.nets.bisenet import BiSeNet
from engine.nets.face_painter import FacePainter
from engine.nets.networks import Networks
from engine.nets.vae import VaeEncoder
from engine.nets.weight_files import PACKED_FOLDER, Official
from engine.nets.whisper import WhisperEncoder
from engine.settings import Settings
from engine.video.i420 import Bytes
from tests.engine_ground import EngineGround
from tests.lipsync.pose_models import KEYPOINTS, table_model
from tests.lipsync.recorded_drawing import RecordedDrawing, assert_untouched_outside_the_mask, whole_mask
from tests.lipsync.tiny_musetalk import points, skin_everywhere
from tests.worker.clips import SIDE, hum, talking_head, wav_base64

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

FRAMES, AVATAR_FRAMES = 16, 3
NETWORKS = (FacePainter, VaeEncoder, WhisperEncoder, BiSeNet)


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[Path]:
    """Random weights in the official layout, packed, 6 GB in all."""
    write_seeded(tmp_path, FULL, seed=0)
    parser = tmp_path / Official.BISENET
    state = skin_everywhere(torch.load(parser, weights_only=True))
    torch.save(state, parser, _use_new_zipfile_serialization=False)
    pack_seeded(tmp_path, FULL)
    pose_model(tmp_path / DWPOSE)
    yield tmp_path
    shutil.rmtree(tmp_path)


def pose_model(path: Path) -> None:
    """Finds the clip's face in every picture, and in its mirror image, to the nearest bin."""
    path.parent.mkdir(parents=True)
    view = View.of(SIDE, SIDE)
    places = (points(130, 140, 116, 74) - view.centre + view.size / 2) / view.size * (576, 768)
    across, down = np.zeros((KEYPOINTS, 576), np.float32), np.zeros((KEYPOINTS, 768), np.float32)
    for keypoint, (column, row) in zip(range(FACE.start, FACE.stop), places.round().astype(int), strict=True):
        across[keypoint, [column, 575 - column]] = 1
        down[keypoint, row] = 1
    table_model(path, across, down)


@dataclass
class Times:
    """Seconds and calls of each network, by the name of its class."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    began: float = 0.0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While the networks run one after another."""
        hooks = (
            every_module.register_module_forward_pre_hook(self._before),
            every_module.register_module_forward_hook(self._after),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _before(self, network: nn.Module, _: Any) -> None:
        if isinstance(network, NETWORKS):
            self.began = time.perf_counter()

    def _after(self, network: nn.Module, *_: Any) -> None:
        if isinstance(network, NETWORKS):
            self.seconds[type(network).__name__] += time.perf_counter() - self.began
            self.calls[type(network).__name__] += 1


def drawn_alone(weights: Path, shot: Shot) -> NDArray[np.float64]:
    """The networks' luma of the face at its size in the frame, by their definition, from weights loaded afresh."""
    networks = Networks.load(weights / PACKED_FOLDER, FULL, torch.device("cpu"), torch.float32)
    heard = torch.from_numpy(shot.feature.tokens + position_encoding())[None]
    with torch.inference_mode():
        latents = torch.from_numpy(shot.track.data[LATENTS][shot.index].astype(np.float32))[None]
        picture = networks.vae_decoder(networks.unet(latents, heard))[0].numpy()
    levels = np.rint(np.clip(picture * 0.5 + 0.5, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    left, top, right, bottom = shot.track.data[FACE_BOX][shot.index].tolist()
    face: Bytes = np.asarray(cv2.resize(np.ascontiguousarray(levels), (right - left, bottom - top)), np.uint8)
    return np.asarray(16 + (face @ np.array([0.2126, 0.7152, 0.0722])) * 219 / 255)


def test_sixteen_frames_from_weights_to_video(
    weights: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    renderer = choose_renderer(Settings(renderer="auto", weights_dir=weights), lambda: False)
    assert (renderer.name, renderer.device) == ("musetalk", "cpu")
    drawing, times = RecordedDrawing(renderer.lipsync), Times()
    ground = EngineGround(tmp_path_factory.mktemp("engine")).open(replace(renderer, lipsync=drawing))
    talking_head(ground.folder / "avatars" / "default.mp4", frames=AVATAR_FRAMES)
    with times.taken():
        reply = ground.run({"audio_base64": wav_base64(hum(FRAMES / 25))})
    with capsys.disabled():
        print()
        for name, seconds in times.seconds.items():
            print(f"{name}: {times.calls[name]} calls, {seconds:.1f} s")
    assert set(times.calls) == {network.__name__ for network in NETWORKS}
    assert (reply["renderer"], reply["frames"]) == ("musetalk", FRAMES)
    with av.open(reply["video_url"]) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(drawing.shots) == FRAMES
    for number, shot in enumerate(drawing.shots):
        assert_untouched_outside_the_mask(shot.frame, drawing.composed(number), whole_mask(shot))
    del renderer, drawing.lipsync, ground
    gc.collect()
    assert_shows_the_networks_picture(drawing, FRAMES - 1, weights)


def assert_shows_the_networks_picture(drawing: RecordedDrawing, number: int, weights: Path) -> None:
    """Where the mask is whole, to a level or two, which the batch's size and roundings may cost."""
    shot = drawing.shots[number]
    left, top, right, bottom = shot.track.data[FACE_BOX][shot.index].tolist()
    whole = whole_mask(shot)[top:bottom, left:right] == 255
    shown = drawing.composed(number).y[top:bottom, left:right]
    assert whole.mean() > 0.1
    assert np.abs(shown - drawn_alone(weights, shot))[whole].max() <= 2
    assert np.abs(shown.astype(int) - shot.frame.y[top:bottom, left:right])[whole].mean() > 10
