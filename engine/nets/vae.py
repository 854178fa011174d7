"""The autoencoder between pictures and latents (AutoencoderKL of Stable Diffusion), either half on its own.

Together the keys of both halves' states are those of the official ``sd-vae-ft-mse`` files in modern names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from engine.nets.attention import PictureAttention
from engine.nets.blocks import Downsample, Norm, Resnet, Upsample

EPS = 1e-6
LOGVAR_RANGE = (-30.0, 20.0)
"""The posterior's logarithmic variance is held within, as in training."""

LEGACY_NAME = re.compile(r"(?P<attention>.*\.attentions\.\d+\.)(?P<layer>query|key|value|proj_attn)(?P<rest>\..*)")
MODERN_LAYERS = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

T = TypeVar("T")


@dataclass(frozen=True)
class VaeConfig:
    """The network's dimensions; the defaults are the official ones.

    ``block_channels``: channels at each resolution, finest first. ``scaling_factor``: what the posterior's mean is
    multiplied by so that latents have about unit variance.
    """

    image_channels: int = 3
    latent_channels: int = 4
    block_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    groups: int = 32
    scaling_factor: float = 0.18215

    @property
    def norm(self) -> Norm:
        return Norm(self.groups, EPS)


@dataclass(frozen=True)
class Posterior:
    """What the encoder says of a picture: mean and logarithmic variance, each [B, 4, H/8, W/8], unscaled."""

    mean: torch.Tensor
    logvar: torch.Tensor


class EncoderBlock(nn.Module):
    """[B, inputs, H, W] to [B, outputs, H/2, W/2], or of the same size if it does not shrink."""

    def __init__(self, inputs: int, outputs: int, layers: int, norm: Norm, shrinks: bool) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (layers - 1)
        self.resnets = nn.ModuleList(Resnet(width, outputs, norm) for width in widths)
        self.downsamplers = nn.ModuleList([Downsample(outputs, padding=0)] if shrinks else [])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return x


class DecoderBlock(nn.Module):
    """[B, inputs, H, W] to [B, outputs, 2H, 2W], or of the same size if it does not grow."""

    def __init__(self, inputs: int, outputs: int, layers: int, norm: Norm, grows: bool) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (layers - 1)
        self.resnets = nn.ModuleList(Resnet(width, outputs, norm) for width in widths)
        self.upsamplers = nn.ModuleList([Upsample(outputs)] if grows else [])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x


class MidBlock(nn.Module):
    """Attention between two residual blocks at the coarsest resolution: [B, C, H, W] to the same."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([PictureAttention(channels, norm)])
        self.resnets = nn.ModuleList(Resnet(channels, channels, norm) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, after = self.resnets
        out: torch.Tensor = after(self.attentions[0](before(x)))
        return out


class Encoder(nn.Module):
    """Pictures [B, 3, H, W] to moments [B, 8, H/8, W/8] before their last convolution."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        channels, norm = config.block_channels, config.norm
        self.conv_in = nn.Conv2d(config.image_channels, channels[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            EncoderBlock(inputs, outputs, config.layers_per_block, norm, shrinks=index < len(channels) - 1)
            for index, (inputs, outputs) in enumerate(zip((channels[0], *channels), channels, strict=False))
        )
        self.mid_block = MidBlock(channels[-1], norm)
        self.conv_norm_out = norm.over(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(images)
        for block in self.down_blocks:
            x = block(x)
        x = self.mid_block(x)
        out: torch.Tensor = self.conv_out(F.silu(self.conv_norm_out(x)))
        return out


class Decoder(nn.Module):
    """Latents [B, 4, H, W] after their first convolution to pictures [B, 3, 8H, 8W]."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        channels, norm = config.block_channels[::-1], config.norm
        self.conv_in = nn.Conv2d(config.latent_channels, channels[0], 3, padding=1)
        self.mid_block = MidBlock(channels[0], norm)
        self.up_blocks = nn.ModuleList(
            DecoderBlock(inputs, outputs, config.layers_per_block + 1, norm, grows=index < len(channels) - 1)
            for index, (inputs, outputs) in enumerate(zip((channels[0], *channels), channels, strict=False))
        )
        self.conv_norm_out = norm.over(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], config.image_channels, 3, padding=1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv_out(self.features(latents))
        return out

    def features(self, latents: torch.Tensor) -> torch.Tensor:
        """What the last convolution makes the pictures of: [B, C, 8H, 8W], C of the finest resolution."""
        x = self.mid_block(self.conv_in(latents))
        for block in self.up_blocks:
            x = block(x)
        return F.silu(self.conv_norm_out(x))


class VaeEncoder(nn.Module):
    """Pictures to latents. Its state is the official one's ``encoder.*`` and ``quant_conv.*``."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.scaling_factor = config.scaling_factor
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(2 * config.latent_channels, 2 * config.latent_channels, 1)
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """RGB pictures [B, 3, 256, 256] from -1 to 1 to the posterior's mean, scaled: [B, 4, 32, 32]."""
        return self.posterior(images).mean * self.scaling_factor

    def posterior(self, images: torch.Tensor) -> Posterior:
        """RGB pictures [B, 3, H, W] from -1 to 1, sides multiples of 8, to the distribution of their latents."""
        mean, logvar = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        return Posterior(mean, logvar.clamp(*LOGVAR_RANGE))


class VaeDecoder(nn.Module):
    """Latents to pictures. Its state is the official one's ``decoder.*`` and ``post_quant_conv.*``."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.scaling_factor = config.scaling_factor
        self.decoder = Decoder(config)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.eval().requires_grad_(False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents [B, 4, 32, 32] to RGB pictures [B, 3, 256, 256] of about -1 to 1, not clamped."""
        images: torch.Tensor = self.decoder(self.post_quant_conv(latents / self.scaling_factor))
        return images


def modern_names(state: Mapping[str, T]) -> dict[str, T]:
    """``state`` with the attention layers' old names (query, key, value, proj_attn) as they are called today.

    Other keys stay as they are, and so does an old name whose modern one is there as well: a strict load then
    refuses it.
    """
    return {_modern_name(key, state): value for key, value in state.items()}


def _modern_name(key: str, state: Mapping[str, T]) -> str:
    found = LEGACY_NAME.fullmatch(key)
    if found is None:
        return key
    modern = f"{found['attention']}{MODERN_LAYERS[found['layer']]}{found['rest']}"
    return key if modern in state else modern
