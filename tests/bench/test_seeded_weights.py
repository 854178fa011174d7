"""Seeded weights: the official layout to the key, the same for the same seed, and networks that stay finite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from bench.network_sizes import FULL, QUICK
from bench.seeded_weights import official_layout, pack_seeded, seeded_state, write_seeded
from engine.nets.checkpoint import read_checkpoint
from engine.nets.networks import Networks
from engine.nets.weight_files import PACKED_FOLDER, Official
from tests.nets.official import official_shapes

LEGACY = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


def old_name(key: str) -> str:
    for modern, old in LEGACY.items():
        key = key.replace(modern, old)
    return key


def shapes_at_full_size(official: Official) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in official_layout(FULL)[official].items()}


def test_the_unets_layout_is_the_official_one() -> None:
    assert shapes_at_full_size(Official.UNET) == official_shapes("unet")


def test_the_autoencoders_layout_is_the_official_one_with_its_old_names() -> None:
    assert shapes_at_full_size(Official.VAE) == {old_name(key): shape for key, shape in official_shapes("vae").items()}


@pytest.mark.parametrize(
    ("official", "keys", "numbers"),
    [
        (Official.UNET, 686, 849_947_844),
        (Official.VAE, 248, 83_653_863),
        (Official.WHISPER, 167, 37_760_640),
    ],
)
def test_each_file_has_as_many_numbers_as_the_official_one(official: Official, keys: int, numbers: int) -> None:
    layout = official_layout(FULL)[official]
    assert len(layout) == keys
    assert sum(value.numel() for value in layout.values()) == numbers


def test_whispers_keys_are_those_of_the_library(tmp_path: Path) -> None:
    write_seeded(tmp_path, QUICK, seed=0)
    config = WhisperConfig(**json.loads((tmp_path / "whisper" / "config.json").read_text()))
    with torch.device("meta"):
        whole = WhisperForConditionalGeneration(config).state_dict()
    # The last layer's weights are the table of words once more.
    del whole["proj_out.weight"]
    found = read_checkpoint(tmp_path / Official.WHISPER)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in whole.items()}


def test_a_seed_makes_the_same_weights_again_and_another_others() -> None:
    layout = official_layout(QUICK)[Official.UNET]
    once, again, other = (seeded_state(layout, seed) for seed in (1, 1, 2))
    assert all(torch.equal(value, again[key]) for key, value in once.items())
    assert not any(torch.equal(value, other[key]) for key, value in once.items())
    assert not torch.equal(once["down_blocks.0.resnets.0.conv2.weight"], once["down_blocks.0.resnets.1.conv2.weight"])


def test_what_is_written_is_packed_and_stays_finite(tmp_path: Path) -> None:
    write_seeded(tmp_path, QUICK, seed=0)
    pack_seeded(tmp_path, QUICK)
    networks = Networks.load(tmp_path / PACKED_FOLDER, QUICK, torch.device("cpu"), torch.float32)
    noise = torch.Generator().manual_seed(1)
    latents = networks.unet(torch.randn(1, 8, 16, 16, generator=noise), torch.randn(1, 50, 24, generator=noise))
    picture = networks.vae_decoder(latents)
    classes = networks.bisenet(picture)
    for made in (latents, picture, networks.vae_encoder(picture), networks.whisper(torch.zeros(1, 80, 3000)), classes):
        assert bool(made.isfinite().all())
        assert 0.01 < float(made.std()) < 100
