"""The networks as MuseTalk's own scripts have them: out of diffusers and transformers, called eagerly.

Where one of the two is missing, this project's modules stand in for its networks, called in the same way, with the
time embedding worked out at every call; ``PlainNetworks.name`` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.official_configs import UNET_CONFIG, VAE_CONFIG, WHISPER_CONFIG, official_configs
from bench.random_weights import RandomWeights, filled
from engine.nets.hearing import Hearing
from engine.nets.networks import on_meta
from engine.nets.vae import VaeDecoder
from engine.nets.whisper import WhisperEncoder

Samples = NDArray[np.float32]
HEARD_RATE = 16_000


@dataclass(frozen=True)
class PlainNetworks:
    """The networks as functions of tensors on ``device``, of ``dtype``; all are called in inference mode.

    draw: latents [B, 8, 32, 32] and tokens with their positions [B, 50, 384] to latents [B, 4, 32, 32].
    decode: scaled latents to RGB pictures [B, 3, 256, 256] of about -1 to 1.
    hear: 480,000 samples at 16 kHz to their features [1500, 5, 384].
    """

    name: str
    draw: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    hear: Callable[[Samples], Tensor]
    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class _Drawing:
    name: str
    draw: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Hearing:
    name: str
    hear: Callable[[Samples], Tensor]


def plain_networks(weights: RandomWeights, dtype: torch.dtype) -> PlainNetworks:
    """The libraries' networks with copies of ``weights``, on the device where those are."""
    drawing, hearing = _drawing(weights, dtype), _hearing(weights, dtype)
    name = f"{drawing.name}, {hearing.name}"
    return PlainNetworks(name, drawing.draw, drawing.decode, hearing.hear, weights.device, dtype)


def _drawing(weights: RandomWeights, dtype: torch.dtype) -> _Drawing:
    try:
        return _of_diffusers(weights, dtype)
    except ModuleNotFoundError as error:
        unet = weights.unfolded_unet(dtype)
        decoder = filled(on_meta(lambda: VaeDecoder(weights.configs.vae)), weights.vae_decoder, dtype)
        return _Drawing(f"our modules ({error.name} is not installed)", unet, decoder)


def _of_diffusers(weights: RandomWeights, dtype: torch.dtype) -> _Drawing:
    from diffusers import AutoencoderKL, UNet2DConditionModel, __version__

    configs = official_configs(weights.configs)
    unet = _ready(lambda: UNet2DConditionModel.from_config(_named(configs[UNET_CONFIG])), weights.unet, dtype)
    halves = {**weights.vae_encoder, **weights.vae_decoder}
    vae = _ready(lambda: AutoencoderKL.from_config(_named(configs[VAE_CONFIG])), halves, dtype)
    start, scale = torch.tensor([0], device=weights.device), vae.config.scaling_factor
    return _Drawing(
        f"diffusers {__version__}",
        draw=lambda latents, heard: unet(latents, start, encoder_hidden_states=heard).sample,
        decode=lambda latents: vae.decode(latents / scale).sample,
    )


def _hearing(weights: RandomWeights, dtype: torch.dtype) -> _Hearing:
    try:
        return _of_transformers(weights, dtype)
    except ModuleNotFoundError as error:
        encoder = filled(on_meta(lambda: WhisperEncoder(weights.configs.whisper)), weights.whisper, dtype)
        ours, device = Hearing(encoder), weights.device
        return _Hearing(
            f"our Whisper ({error.name} is not installed)",
            lambda samples: torch.from_numpy(ours(samples)).to(device, dtype),
        )


def _of_transformers(weights: RandomWeights, dtype: torch.dtype) -> _Hearing:
    from transformers import WhisperConfig, WhisperFeatureExtractor, __version__
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as TheirEncoder

    config = WhisperConfig(**official_configs(weights.configs)[WHISPER_CONFIG])
    encoder = _ready(lambda: TheirEncoder(config), weights.whisper, dtype)
    # Untyped in the library.
    extractor: Any = WhisperFeatureExtractor
    spectrogram = extractor(feature_size=config.num_mel_bins)

    def hear(samples: Samples) -> Tensor:
        mel = spectrogram(samples, sampling_rate=HEARD_RATE, return_tensors="pt").input_features
        states = encoder(mel.to(weights.device, dtype), output_hidden_states=True).hidden_states
        return torch.stack(states, dim=2)[0]

    return _Hearing(f"transformers {__version__}", hear)


def _ready(build: Callable[[], Any], state: dict[str, Tensor], dtype: torch.dtype) -> Any:
    """A library's network with copies of the weights, strictly loaded."""
    network: nn.Module = on_meta(build)
    return filled(network, state, dtype)


def _named(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}
