"""The plain way against the worker's own path: the same weights, sound and avatar, the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bench.network_sizes import QUICK
from bench.plain_networks import PlainNetworks, plain_networks
from bench.plain_way import composed, faces_of, features_of
from bench.random_weights import RandomWeights
from bench.synthetic_avatar import SyntheticAvatar, swelling_hum
from engine.drawing.model_thread import ModelThread
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_listener import MuseTalkListener
from engine.nets.hearing import Hearing

CPU = torch.device("cpu")
FRAMES = 10


@pytest.fixture(scope="module")
def weights() -> RandomWeights:
    return RandomWeights.on(CPU, QUICK)


@pytest.fixture(scope="module")
def plain(weights: RandomWeights) -> PlainNetworks:
    return plain_networks(weights, torch.float32)


@pytest.fixture(scope="module")
def avatar() -> SyntheticAvatar:
    return SyntheticAvatar.of((160, 144), 3)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_it_is_the_libraries_that_draw_and_hear(plain: PlainNetworks) -> None:
    assert plain.name.startswith("diffusers ")
    assert "transformers " in plain.name


def test_a_frame_hears_what_it_hears_in_the_worker(weights: RandomWeights, plain: PlainNetworks) -> None:
    sound = swelling_hum(FRAMES)
    listener = MuseTalkListener(Hearing(weights.networks(torch.float32).whisper), live=False)
    ours = np.stack([*listener.push(sound), *listener.finish()])
    assert np.abs(features_of(plain, sound).numpy() - ours).max() < 1e-4


def test_a_face_is_drawn_as_in_the_worker(
    weights: RandomWeights, plain: PlainNetworks, avatar: SyntheticAvatar
) -> None:
    tokens, latents = features_of(plain, swelling_hum(FRAMES)), avatar.plain(CPU).latents
    faces = np.stack(list(faces_of(plain, tokens, latents)))
    painter = MuseTalkLipSync(weights.networks(torch.float32), ModelThread()).painter
    chosen = torch.cat([latents[index % 3] for index in range(FRAMES)]).float()
    ours = painter(chosen, tokens).pictures.numpy()
    assert faces.shape == ours.shape == (FRAMES, 256, 256, 3)
    # Half a level is rounded to even in one and up in the other.
    assert np.abs(faces.astype(int) - ours).max() <= 1
    assert faces.std() > 10


def test_a_frame_changes_under_the_mask_alone(avatar: SyntheticAvatar, tmp_path: Path) -> None:
    white = np.full((256, 256, 3), 255, np.uint8)
    composed(avatar.plain(CPU), [white] * 4, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{number:08d}.png" for number in range(4)]
    picture, before = cv2.imread(str(tmp_path / "00000003.png")), avatar.bgr_frames[0]
    changed = (np.asarray(picture) != before).any(axis=2)
    face = avatar.face
    middle = (face.top + face.bottom) // 2
    assert changed[middle + 8 : face.bottom - 12, (face.left + face.right) // 2].all()
    # The mask is blurred by four pixels beyond the lower half.
    changed[middle - 4 : face.bottom, face.left : face.right] = False
    assert not changed.any()


def test_weights_are_the_same_for_the_same_seed_and_differ_for_another(weights: RandomWeights) -> None:
    again, other = RandomWeights.on(CPU, QUICK), RandomWeights.on(CPU, QUICK, seed=1)
    key = "conv_in.weight"
    assert torch.equal(weights.unet[key], again.unet[key])
    assert not torch.equal(weights.unet[key], other.unet[key])
