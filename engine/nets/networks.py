"""The four networks of MuseTalk V1.5, loaded at every start from what was packed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from engine.nets.bisenet import BiSeNet, BiSeNetConfig
from engine.nets.packed import load_packed
from engine.nets.unet import UNet, UNetConfig
from engine.nets.vae import VaeConfig, VaeDecoder, VaeEncoder
from engine.nets.weight_files import Packed
from engine.nets.whisper import WhisperConfig, WhisperEncoder

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True)
class NetworkConfigs:
    """The dimensions of all four; the defaults are the official ones."""

    unet: UNetConfig = field(default_factory=lambda: UNetConfig(time_folded=True))
    vae: VaeConfig = field(default_factory=VaeConfig)
    whisper: WhisperConfig = field(default_factory=WhisperConfig)
    bisenet: BiSeNetConfig = field(default_factory=BiSeNetConfig)


@dataclass(frozen=True)
class Networks:
    """The networks on one device. BiSeNet is float32 always: it decides between classes, and is small."""

    unet: UNet
    vae_encoder: VaeEncoder
    vae_decoder: VaeDecoder
    whisper: WhisperEncoder
    bisenet: BiSeNet
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(cls, folder: Path, configs: NetworkConfigs, device: torch.device, dtype: torch.dtype) -> Networks:
        """Load the packed files of ``folder``. Raises WeightsMissing and WeightsDamaged."""

        def loaded(build: Callable[[], NetworkT], packed: Packed, kind: torch.dtype = dtype) -> NetworkT:
            network = on_meta(build)
            load_packed(network, folder / packed, device, kind)
            return network

        return cls(
            unet=loaded(lambda: UNet(configs.unet), Packed.UNET),
            vae_encoder=loaded(lambda: VaeEncoder(configs.vae), Packed.VAE_ENCODER),
            vae_decoder=loaded(lambda: VaeDecoder(configs.vae), Packed.VAE_DECODER),
            whisper=loaded(lambda: WhisperEncoder(configs.whisper), Packed.WHISPER),
            bisenet=loaded(lambda: BiSeNet(configs.bisenet), Packed.BISENET, torch.float32),
            device=device,
            dtype=dtype,
        )


def on_meta(build: Callable[[], NetworkT]) -> NetworkT:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return build().eval().requires_grad_(False)
