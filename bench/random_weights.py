"""Seeded random weights, made where they are wanted: scaled so that what the networks put out stays finite.

Half precision holds it too. Needs torch and the engine's networks, nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from engine.nets.bisenet import BiSeNet
from engine.nets.checkpoint import State
from engine.nets.networks import NetworkConfigs, Networks, NetworkT, on_meta
from engine.nets.time_embedding import fold_time_embedding
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder, VaeEncoder
from engine.nets.whisper import WhisperEncoder

BATCHES_SEEN = 79_999
SHIFT = 0.02


def seeded_tensor(seed: int, key: str, like: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the shape of ``like``; it follows from the seed, the key and the kind of device alone."""
    if not like.is_floating_point():
        return torch.full(like.shape, BATCHES_SEEN, dtype=like.dtype, device=device)
    tensor = torch.empty(like.shape, device=device)
    # torch's generator takes no more than 32 bits of its seed.
    generator = torch.Generator(device).manual_seed(zlib.crc32(f"{seed} {key}".encode()))
    if key.endswith(("bias", "running_mean")):
        return tensor.normal_(0, SHIFT, generator=generator)
    if like.dim() == 1:
        # Scales and variances of normalisations.
        return tensor.uniform_(0.5, 1.5, generator=generator)
    return tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)


@dataclass(frozen=True)
class RandomWeights:
    """float32 tensors on one device, by the names of our networks; the UNet's with its time embedding."""

    configs: NetworkConfigs
    unet: State
    vae_encoder: State
    vae_decoder: State
    whisper: State
    bisenet: State

    @classmethod
    def on(cls, device: torch.device, configs: NetworkConfigs, seed: int = 0) -> RandomWeights:
        """About 4 GB at the official size."""

        def made(network: nn.Module) -> State:
            return {key: seeded_tensor(seed, key, like, device) for key, like in network.state_dict().items()}

        return cls(
            configs,
            unet=made(on_meta(lambda: UNet(replace(configs.unet, time_folded=False)))),
            vae_encoder=made(on_meta(lambda: VaeEncoder(configs.vae))),
            vae_decoder=made(on_meta(lambda: VaeDecoder(configs.vae))),
            whisper=made(on_meta(lambda: WhisperEncoder(configs.whisper))),
            bisenet=made(on_meta(lambda: BiSeNet(configs.bisenet))),
        )

    @property
    def device(self) -> torch.device:
        return self.unet["conv_in.weight"].device

    def networks(self, dtype: torch.dtype) -> Networks:
        """The worker's networks with copies of these weights as ``dtype``, the time embedding folded in."""
        configs = replace(self.configs, unet=replace(self.configs.unet, time_folded=True))
        return Networks(
            unet=filled(on_meta(lambda: UNet(configs.unet)), fold_time_embedding(self.unet), dtype),
            vae_encoder=filled(on_meta(lambda: VaeEncoder(configs.vae)), self.vae_encoder, dtype),
            vae_decoder=filled(on_meta(lambda: VaeDecoder(configs.vae)), self.vae_decoder, dtype),
            whisper=filled(on_meta(lambda: WhisperEncoder(configs.whisper)), self.whisper, dtype),
            bisenet=filled(on_meta(lambda: BiSeNet(configs.bisenet)), self.bisenet, torch.float32),
            device=self.device,
            dtype=dtype,
        )

    def unfolded_unet(self, dtype: torch.dtype) -> UNet:
        """The UNet as the official file has it, its time embedding worked out at every call."""
        return filled(on_meta(lambda: UNet(replace(self.configs.unet, time_folded=False))), self.unet, dtype)


def filled(network: NetworkT, state: Mapping[str, torch.Tensor], dtype: torch.dtype) -> NetworkT:
    """A network built on ``meta`` with copies of the tensors of ``state``, the floating-point ones as ``dtype``."""
    copies = {
        key: tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
        for key, tensor in state.items()
    }
    network.load_state_dict(copies, assign=True)
    return network.requires_grad_(False)
