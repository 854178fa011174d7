"""The UNet held equal to diffusers' with the same seeded random weights, tiny here and at full size in `full`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn

from engine.nets.time_embedding import fold_time_embedding
from engine.nets.unet import UNet, UNetConfig
from tests.nets.official import official_shapes, parameters_in, shapes_of
from tests.nets.seeded import channels_last, loaded, seeded_state, share_of_deviation

TINY = UNetConfig(block_channels=(16, 32, 64, 64), heads=4, audio_channels=24, groups=8)
FOLDED = replace(TINY, time_folded=True)
OFFICIAL = UNetConfig()
TOLERANCE = 1e-4


def _reference(config: UNetConfig) -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64,
            in_channels=config.in_channels,
            out_channels=config.out_channels,
            block_out_channels=config.block_channels,
            layers_per_block=config.layers_per_block,
            attention_head_dim=config.heads,
            cross_attention_dim=config.audio_channels,
            norm_num_groups=config.groups,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        )


def _unet(config: UNetConfig) -> UNet:
    with torch.device("meta"):
        return UNet(config)


def _inputs(config: UNetConfig, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    latents = torch.randn(batch, config.in_channels, side, side, generator=generator)
    return latents, torch.randn(batch, 50, config.audio_channels, generator=generator)


def _expected(reference: nn.Module, latents: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
    sample: torch.Tensor = reference(latents, torch.tensor([0]), encoder_hidden_states=audio).sample
    return sample


@pytest.mark.parametrize(
    ("config", "batch", "side"),
    [
        pytest.param(TINY, 2, 16, id="tiny"),
        pytest.param(OFFICIAL, 1, 32, id="official", marks=pytest.mark.full),
    ],
)
def test_draws_what_diffusers_draws(config: UNetConfig, batch: int, side: int) -> None:
    reference = _reference(config)
    state = seeded_state(reference, seed=1)
    latents, audio = _inputs(config, batch, side)
    expected = _expected(loaded(reference, state), latents, audio)
    ours = loaded(_unet(config), state)(latents, audio)
    assert share_of_deviation(ours, expected) <= TOLERANCE


def _set_eps(kind: type[nn.GroupNorm | nn.LayerNorm], wrong: float, layer: str) -> Callable[[nn.Module], None]:
    def change(reference: nn.Module) -> None:
        for name, module in reference.named_modules():
            if isinstance(module, kind) and name.endswith(layer):
                module.eps = wrong

    return change


def _halve_heads(reference: nn.Module) -> None:
    for module in reference.modules():
        if isinstance(module, Attention):
            module.heads //= 2


def _pad_one_sided(reference: nn.Module) -> None:
    for name, module in reference.named_modules():
        if name.endswith("downsamplers.0"):
            module.padding = 0
            module.conv.padding = (0, 0)


def _sines_first(reference: UNet2DConditionModel) -> None:
    reference.time_proj.flip_sin_to_cos = False


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set_eps(nn.GroupNorm, 1e-6, "norm1"), id="eps of the residual blocks"),
        pytest.param(_set_eps(nn.GroupNorm, 1e-5, "norm"), id="eps before the transformers"),
        pytest.param(_set_eps(nn.GroupNorm, 1e-6, "conv_norm_out"), id="eps at the end"),
        pytest.param(_set_eps(nn.LayerNorm, 1e-6, "norm1"), id="eps within the transformers"),
        pytest.param(_halve_heads, id="number of heads"),
        pytest.param(_pad_one_sided, id="padding"),
        pytest.param(_sines_first, id="order of the waves"),
    ],
)
def test_the_comparison_sees_a_wrong_detail(change: Callable[[nn.Module], None]) -> None:
    reference = _reference(TINY)
    state = seeded_state(reference, seed=1)
    latents, audio = _inputs(TINY, 1, 16)
    change(loaded(reference, state))
    ours = loaded(_unet(TINY), state)(latents, audio)
    assert share_of_deviation(ours, _expected(reference, latents, audio)) > 3 * TOLERANCE


def test_has_the_official_keys_and_shapes() -> None:
    official = official_shapes("unet")
    assert shapes_of(_unet(OFFICIAL)) == official
    assert parameters_in(official) == 849_947_844


def test_folded_has_the_official_keys_without_the_time_embedding() -> None:
    official = official_shapes("unet")
    kept = {key: shape for key, shape in official.items() if "time_emb" not in key}
    assert shapes_of(_unet(UNetConfig(time_folded=True))) == kept
    assert len(official) - len(kept) == 4 + 2 * 22


def test_folding_the_time_embedding_keeps_the_function() -> None:
    """In float64, where rounding does not hide a difference."""
    state = {key: value.double() for key, value in seeded_state(_unet(TINY), seed=2).items()}
    latents, audio = (x.double() for x in _inputs(TINY, 2, 16))
    unfolded = loaded(_unet(TINY), state)(latents, audio)
    folded = loaded(_unet(FOLDED), fold_time_embedding(state))(latents, audio)
    assert share_of_deviation(folded, unfolded) <= 1e-12


@pytest.mark.parametrize(
    ("config", "folded_config", "side"),
    [
        pytest.param(TINY, FOLDED, 16, id="tiny"),
        pytest.param(OFFICIAL, UNetConfig(time_folded=True), 32, id="official", marks=pytest.mark.full),
    ],
)
def test_folding_in_float32_only_rounds(config: UNetConfig, folded_config: UNetConfig, side: int) -> None:
    state = seeded_state(_unet(config), seed=2)
    latents, audio = _inputs(config, 1, side)
    unfolded = loaded(_unet(config), state)(latents, audio)
    folded = loaded(_unet(folded_config), fold_time_embedding(state))(latents, audio)
    assert share_of_deviation(folded, unfolded) <= 1e-5


def test_folding_leaves_the_given_weights_alone() -> None:
    state = seeded_state(_unet(TINY), seed=2)
    before = {key: value.clone() for key, value in state.items()}
    folded = fold_time_embedding(state)
    assert all(torch.equal(state[key], before[key]) for key in before)
    changed = {key for key, value in folded.items() if not torch.equal(value, state[key])}
    assert changed == {key for key in state if key.endswith(".conv1.bias")}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_folding_half_precision_rounds_once(dtype: torch.dtype) -> None:
    halves = {key: value.to(dtype) for key, value in seeded_state(_unet(TINY), seed=2).items()}
    folded = fold_time_embedding(halves)
    exact = fold_time_embedding({key: value.float() for key, value in halves.items()})
    assert all(torch.equal(folded[key], exact[key].to(dtype)) for key in exact)


def test_folding_without_an_embedding_names_the_key() -> None:
    with pytest.raises(KeyError, match=r"time_embedding\.linear_1\.weight"):
        fold_time_embedding({"conv_in.bias": torch.zeros(1)})


def test_draws_the_same_with_channels_last() -> None:
    state = seeded_state(_unet(TINY), seed=3)
    latents, audio = _inputs(TINY, 2, 16)
    expected = loaded(_unet(TINY), state)(latents, audio)
    turned = loaded(_unet(TINY), channels_last(state))(latents.to(memory_format=torch.channels_last), audio)
    assert turned.is_contiguous(memory_format=torch.channels_last)
    assert share_of_deviation(turned, expected) <= TOLERANCE


def test_keeps_no_gradients_and_is_ready_to_draw() -> None:
    unet = UNet(TINY)
    assert not unet.training
    assert not unet(*_inputs(TINY, 1, 8)).requires_grad
