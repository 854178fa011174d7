"""The painter is the networks with everything around them; in half precision it paints the same within bounds."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from bench.network_sizes import FULL, QUICK
from engine.lipsync.windows import position_encoding
from engine.nets.face_painter import FacePainter, in_bytes
from engine.nets.networks import NetworkConfigs, on_meta
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder
from tests.nets.seeded import loaded, seeded_state

BOUNDS = {torch.float16: (1.0, 45.0), torch.bfloat16: (3.0, 36.0)}
"""Levels of 255 that a picture in this type may differ on average, and dB that it has to reach, against float32."""


def networks(configs: NetworkConfigs) -> tuple[UNet, VaeDecoder]:
    unet, decoder = on_meta(lambda: UNet(configs.unet)), on_meta(lambda: VaeDecoder(configs.vae))
    return loaded(unet, seeded_state(unet, 1)), loaded(decoder, seeded_state(decoder, 2))


@cache
def tiny() -> tuple[UNet, VaeDecoder]:
    return networks(QUICK)


def positions(configs: NetworkConfigs = QUICK) -> torch.Tensor:
    return torch.from_numpy(position_encoding(width=configs.unet.audio_channels))


def painter() -> FacePainter:
    return FacePainter(*tiny(), positions())


def asked(count: int, configs: NetworkConfigs = QUICK) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    latents = torch.randn(count, 8, 32, 32, generator=generator)
    return latents, torch.randn(count, 50, configs.unet.audio_channels, generator=generator)


def levels(picture: torch.Tensor) -> torch.Tensor:
    """What a picture of the decoder's is in bytes, by definition."""
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).flip(3)


def far_apart(ours: torch.Tensor, reference: torch.Tensor) -> tuple[float, float]:
    """The mean absolute difference in levels, and the ratio of signal to noise in dB."""
    difference = ours.double() - reference.double()
    power = float(difference.square().mean())
    return float(difference.abs().mean()), 10 * math.log10(255**2 / power) if power else math.inf


def test_it_paints_what_the_networks_say_step_by_step() -> None:
    unet, decoder = tiny()
    latents, tokens = asked(3)
    with torch.inference_mode():
        painted = painter()(latents, tokens)
        wanted = levels(decoder(unet(latents, tokens + positions())))
    assert painted.pictures.shape == (3, 256, 256, 3)
    assert painted.pictures.is_contiguous()
    assert painted.finite.tolist() == [True] * 3
    difference = (painted.pictures.int() - wanted.int()).abs()
    assert int(difference.max()) <= 1
    # Roundings of another order show in a few of 100,000 values.
    assert float((difference > 0).float().mean()) < 1e-3
    assert float(wanted.float().std()) > 20
    assert (int(wanted.min()), int(wanted.max())) == (0, 255)


def test_the_networks_weights_are_shared_and_stay_as_they_are() -> None:
    unet, decoder = tiny()
    before = {key: value.clone() for key, value in decoder.state_dict().items()}
    made = painter()
    assert made.unet is unet
    assert made.decoder is decoder.decoder
    assert all(torch.equal(value, before[key]) for key, value in decoder.state_dict().items())
    assert not any(weight.requires_grad for weight in made.parameters())


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_no_number_is_said_of_its_own_picture(broken: float) -> None:
    latents, tokens = asked(3)
    latents[1, 0, 3, 3] = broken
    with torch.inference_mode():
        painted = painter()(latents, tokens)
        alone = painter()(latents[2:], tokens[2:])
    assert painted.finite.tolist() == [True, False, True]
    assert far_apart(painted.pictures[2:], alone.pictures)[0] < 0.01


def test_channels_last_paints_the_same() -> None:
    made = FacePainter(*deepcopy(tiny()), positions())
    made.put_channels_last()
    assert made.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert made.out.weight.is_contiguous(memory_format=torch.channels_last)
    latents, tokens = asked(1)
    with torch.inference_mode():
        painted = made(latents.contiguous(memory_format=torch.channels_last), tokens).pictures
        assert far_apart(painted, painter()(latents, tokens).pictures)[0] < 0.1
    assert painted.is_contiguous()


@pytest.mark.parametrize("dtype", list(BOUNDS), ids=str)
def test_in_half_precision_a_face_is_the_same_in_any_batch(dtype: torch.dtype) -> None:
    half = deepcopy(painter()).to(dtype)
    latents, tokens = asked(2)
    with torch.inference_mode():
        wanted = painter()(latents, tokens).pictures
        for size in (1, 2):
            painted = half(latents[:size].to(dtype), tokens[:size].to(dtype))
            assert painted.finite.all()
            mean, decibels = far_apart(painted.pictures, wanted[:size])
            assert mean < BOUNDS[dtype][0]
            assert decibels >= BOUNDS[dtype][1]


class Rounding(TorchDispatchMode):
    """Rounds what every operation gives to ``dtype``, as a GPU does that calculates in float32 and stores in it.

    On most CPUs torch's own convolutions in float16 take a thousand times as long.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        TorchDispatchMode.__init__(self)
        self.dtype = dtype

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return tree_map_only(torch.Tensor, self.rounded, func(*args, **(kwargs or {})))

    def rounded(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.dtype).to(torch.float32) if tensor.dtype == torch.float32 else tensor


def painted_rounded(made: FacePainter, dtype: torch.dtype, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), Rounding(dtype):
        drawn = made.drawn(latents.to(dtype).float(), tokens.to(dtype).float())
    return in_bytes(drawn).pictures


def test_rounding_every_step_is_like_calculating_in_half_precision() -> None:
    latents, tokens = asked(1)
    made = deepcopy(painter()).half().float()
    with torch.inference_mode():
        half = deepcopy(painter()).half()(latents.half(), tokens.half()).pictures
        wanted = painter()(latents, tokens).pictures
    ours, own = (far_apart(each, wanted)[0] for each in (painted_rounded(made, torch.float16, latents, tokens), half))
    assert 0.5 * own < ours < 2 * own


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_at_full_size_half_precision_keeps_within_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    latents, tokens = asked(2, FULL)
    made = FacePainter(*networks(FULL), positions(FULL))
    with torch.inference_mode():
        wanted = made(latents, tokens).pictures
    for dtype, (most, least) in BOUNDS.items():
        for weight in made.parameters():
            weight.copy_(weight.to(dtype))
        for size in (1, 2):
            painted = painted_rounded(made, dtype, latents[:size], tokens[:size])
            mean, decibels = far_apart(painted, wanted[:size])
            with capsys.disabled():
                print(f"\n{dtype}, {size} at once: {mean:.3f} levels apart on average, {decibels:.1f} dB")
            assert mean < most
            assert decibels >= least
