"""The autoencoder held equal to diffusers' with the same seeded random weights, tiny, and in `full` at full size."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from torch import nn

from engine.nets.vae import VaeConfig, VaeDecoder, VaeEncoder, modern_names
from tests.nets.official import official_shapes, parameters_in, shapes_of
from tests.nets.seeded import channels_last, loaded, seeded_state, share_of_deviation

TINY = VaeConfig(block_channels=(8, 16, 32, 32), groups=4)
OFFICIAL = VaeConfig()
TOLERANCE = 1e-4
SIZES = pytest.mark.parametrize(
    ("config", "side"),
    [
        pytest.param(TINY, 32, id="tiny"),
        pytest.param(OFFICIAL, 256, id="official", marks=pytest.mark.full),
    ],
)


class Pair(NamedTuple):
    """The reference and both of our halves with the same weights."""

    reference: AutoencoderKL
    encoder: VaeEncoder
    decoder: VaeDecoder


def _reference(config: VaeConfig) -> AutoencoderKL:
    levels = len(config.block_channels)
    with torch.device("meta"):
        return AutoencoderKL(
            block_out_channels=config.block_channels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            layers_per_block=config.layers_per_block,
            latent_channels=config.latent_channels,
            norm_num_groups=config.groups,
            scaling_factor=config.scaling_factor,
        )


def _halves(config: VaeConfig) -> tuple[VaeEncoder, VaeDecoder]:
    with torch.device("meta"):
        return VaeEncoder(config), VaeDecoder(config)


def _part(state: dict[str, torch.Tensor], module: nn.Module) -> dict[str, torch.Tensor]:
    return {key: state[key] for key in module.state_dict()}


def _pair(config: VaeConfig) -> Pair:
    reference = _reference(config)
    state = seeded_state(reference, seed=5)
    encoder, decoder = _halves(config)
    return Pair(
        loaded(reference, state),
        loaded(encoder, _part(state, encoder)),
        loaded(decoder, _part(state, decoder)),
    )


def _images(batch: int, side: int) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(11)) * 2 - 1


def _latents(batch: int, side: int) -> torch.Tensor:
    return torch.randn(batch, 4, side, side, generator=torch.Generator().manual_seed(13))


@SIZES
def test_encodes_as_diffusers_does(config: VaeConfig, side: int) -> None:
    pair = _pair(config)
    images = _images(1, side)
    expected = pair.reference.encode(images).latent_dist
    ours = pair.encoder.posterior(images)
    assert share_of_deviation(ours.mean, expected.mean) <= TOLERANCE
    assert share_of_deviation(ours.logvar, expected.logvar) <= TOLERANCE


@SIZES
def test_decodes_as_diffusers_does(config: VaeConfig, side: int) -> None:
    pair = _pair(config)
    latents = _latents(1, side // 8)
    expected = pair.reference.decode(latents / pair.reference.config.scaling_factor).sample
    assert share_of_deviation(pair.decoder(latents), expected) <= TOLERANCE


def test_the_latents_are_the_scaled_mean() -> None:
    pair = _pair(TINY)
    images = _images(2, 16)
    expected = pair.reference.encode(images).latent_dist.mode() * 0.18215
    assert share_of_deviation(pair.encoder(images), expected) <= TOLERANCE


def test_the_variance_is_held_within_the_trained_range() -> None:
    pair = _pair(TINY)
    # Both share the memory of their weights.
    pair.encoder.quant_conv.state_dict()["bias"][4:6] = torch.tensor([100.0, -100.0])
    images = _images(1, 16)
    ours = pair.encoder.posterior(images).logvar
    assert share_of_deviation(ours, pair.reference.encode(images).latent_dist.logvar) <= TOLERANCE
    assert bool((ours[:, 0] == 20).all())
    assert bool((ours[:, 1] == -30).all())


def _set_eps(layer: str) -> Callable[[nn.Module], None]:
    def change(reference: nn.Module) -> None:
        for name, module in reference.named_modules():
            if name.endswith(layer) and isinstance(module, nn.GroupNorm):
                module.eps = 1e-5

    return change


def _halve_the_head(reference: nn.Module) -> None:
    for module in reference.modules():
        if isinstance(module, Attention):
            module.heads = 2


def _pad_all_around(reference: nn.Module) -> None:
    for name, module in reference.named_modules():
        if name.endswith("downsamplers.0"):
            module.padding = 1
            module.conv.padding = (1, 1)


DETAILS = [
    pytest.param(_set_eps("norm1"), id="eps of the residual blocks"),
    pytest.param(_set_eps("group_norm"), id="eps of the attention"),
    pytest.param(_set_eps("conv_norm_out"), id="eps at the end"),
    pytest.param(_halve_the_head, id="number of heads"),
]


@pytest.mark.parametrize("change", [*DETAILS, pytest.param(_pad_all_around, id="padding")])
def test_comparing_encoders_sees_a_wrong_detail(change: Callable[[nn.Module], None]) -> None:
    pair = _pair(TINY)
    change(pair.reference)
    images = _images(1, 32)
    expected = pair.reference.encode(images).latent_dist.mean
    assert share_of_deviation(pair.encoder.posterior(images).mean, expected) > 3 * TOLERANCE


@pytest.mark.parametrize("change", DETAILS)
def test_comparing_decoders_sees_a_wrong_detail(change: Callable[[nn.Module], None]) -> None:
    pair = _pair(TINY)
    change(pair.reference)
    latents = _latents(1, 4)
    expected = pair.reference.decode(latents / TINY.scaling_factor).sample
    assert share_of_deviation(pair.decoder(latents), expected) > 3 * TOLERANCE


def test_both_halves_have_the_official_keys_and_shapes() -> None:
    official = official_shapes("vae")
    encoder, decoder = _halves(OFFICIAL)
    assert shapes_of(encoder, decoder) == modern_names(official)
    assert parameters_in(shapes_of(encoder)) == 34_163_592 + 8 * 8 + 8
    assert parameters_in(official) == 83_653_863


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_old_names_become_modern_ones(half: str) -> None:
    attention = f"{half}.mid_block.attentions.0"
    old = ["query.weight", "query.bias", "key.weight", "value.bias", "proj_attn.weight", "proj_attn.bias"]
    modern = ["to_q.weight", "to_q.bias", "to_k.weight", "to_v.bias", "to_out.0.weight", "to_out.0.bias"]
    named = modern_names({f"{attention}.{name}": name for name in old})
    assert named == {f"{attention}.{new}": name for new, name in zip(modern, old, strict=True)}


def test_other_names_stay() -> None:
    names = dict.fromkeys(modern_names(official_shapes("vae")), 0)
    assert modern_names(names) == names
    assert modern_names({"query.weight": 0, "keys": 1}) == {"query.weight": 0, "keys": 1}


def test_an_old_name_beside_its_modern_one_is_left_for_the_load_to_refuse() -> None:
    state = seeded_state(VaeEncoder(TINY), seed=1)
    doubled = state | {"encoder.mid_block.attentions.0.query.bias": torch.zeros(32)}
    with pytest.raises(RuntimeError, match=r"attentions\.0\.query\.bias"):
        VaeEncoder(TINY).load_state_dict(modern_names(doubled))


def test_works_the_same_with_channels_last() -> None:
    pair = _pair(TINY)
    for net, fresh, given in zip(pair[1:], _halves(TINY), (_images(2, 32), _latents(2, 4)), strict=True):
        expected = net(given)
        turned = loaded(fresh, channels_last(net.state_dict()))(given.to(memory_format=torch.channels_last))
        assert turned.is_contiguous(memory_format=torch.channels_last)
        assert share_of_deviation(turned, expected) <= TOLERANCE


def test_keeps_no_gradients_and_is_ready() -> None:
    for net, given in ((VaeEncoder(TINY), _images(1, 16)), (VaeDecoder(TINY), _latents(1, 2))):
        assert not net.training
        assert not net(given).requires_grad
