"""The UNet that draws the lips: the layout of Stable Diffusion 1.4 with eight input channels, conditioned on sound.

Keys of its state are those of MuseTalk V1.5's ``unet.pth`` (diffusers' names).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.nets.attention import Transformer
from engine.nets.blocks import Downsample, Norm, Resnet, Upsample
from engine.nets.time_embedding import TimeEmbedding

RESNET_EPS = 1e-5


@dataclass(frozen=True)
class UNetConfig:
    """The network's dimensions; the defaults are the official ones.

    ``block_channels``: channels at each resolution, finest first; all but the coarsest listen to the sound.
    ``time_folded``: whether the weights went through ``fold_time_embedding``.
    """

    in_channels: int = 8
    out_channels: int = 4
    block_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    heads: int = 8
    audio_channels: int = 384
    groups: int = 32
    time_folded: bool = False

    @property
    def norm(self) -> Norm:
        return Norm(self.groups, RESNET_EPS)

    @property
    def time_channels(self) -> int | None:
        """Length of the time embedding; None where it is folded into the weights."""
        return None if self.time_folded else 4 * self.block_channels[0]

    def resnet(self, inputs: int, outputs: int) -> Resnet:
        return Resnet(inputs, outputs, self.norm, self.time_channels)

    def transformer(self, channels: int) -> Transformer:
        return Transformer(channels, self.audio_channels, self.heads, self.groups)

    @property
    def skip_channels(self) -> list[int]:
        """Channels of every picture that the way down hands to the way up, in the order they are made."""
        channels = [self.block_channels[0]]
        for index, width in enumerate(self.block_channels):
            channels += [width] * (self.layers_per_block + (not self.coarsest(index)))
        return channels

    def coarsest(self, index: int) -> bool:
        """Whether the block at ``index`` of ``block_channels`` is the last one, which neither shrinks nor listens."""
        return index == len(self.block_channels) - 1


class DownBlock(nn.Module):
    """One resolution on the way down; every picture it makes is handed to the way up."""

    def __init__(self, config: UNetConfig, index: int) -> None:
        super().__init__()
        inputs, outputs = config.block_channels[max(index - 1, 0)], config.block_channels[index]
        count = config.layers_per_block
        widths = [inputs] + [outputs] * (count - 1)
        self.resnets = nn.ModuleList(config.resnet(width, outputs) for width in widths)
        self.attentions = nn.ModuleList()
        self.downsamplers = nn.ModuleList()
        if not config.coarsest(index):
            self.attentions.extend(config.transformer(outputs) for _ in range(count))
            self.downsamplers.append(Downsample(outputs, padding=1))

    def forward(self, x: torch.Tensor, audio: torch.Tensor, time: torch.Tensor | None) -> list[torch.Tensor]:
        """[B, inputs, H, W] to its pictures [B, outputs, H, W], the last one of half that size if it shrinks."""
        made = []
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, time)
            if self.attentions:
                x = self.attentions[index](x, audio)
            made.append(x)
        made.extend(shrink(x) for shrink in self.downsamplers)
        return made


class MidBlock(nn.Module):
    """The coarsest resolution between both ways: [B, C, H, W] to the same."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        channels = config.block_channels[-1]
        self.attentions = nn.ModuleList([config.transformer(channels)])
        self.resnets = nn.ModuleList(config.resnet(channels, channels) for _ in range(2))

    def forward(self, x: torch.Tensor, audio: torch.Tensor, time: torch.Tensor | None) -> torch.Tensor:
        before, after = self.resnets
        out: torch.Tensor = after(self.attentions[0](before(x, time), audio), time)
        return out


class UpBlock(nn.Module):
    """One resolution on the way up; ``index`` is that of the block on the way down with the same resolution."""

    def __init__(self, config: UNetConfig, index: int, inputs: int, skips: list[int]) -> None:
        super().__init__()
        outputs = config.block_channels[index]
        widths = [inputs] + [outputs] * (len(skips) - 1)
        self.resnets = nn.ModuleList(
            config.resnet(width + skip, outputs) for width, skip in zip(widths, skips, strict=True)
        )
        self.attentions = nn.ModuleList()
        if not config.coarsest(index):
            self.attentions.extend(config.transformer(outputs) for _ in skips)
        self.upsamplers = nn.ModuleList([Upsample(outputs)] if index > 0 else [])

    def forward(
        self, x: torch.Tensor, skips: list[torch.Tensor], audio: torch.Tensor, time: torch.Tensor | None
    ) -> torch.Tensor:
        """[B, inputs, H, W] and a picture [B, *, H, W] for each layer, in the order of their use."""
        for index, (resnet, skip) in enumerate(zip(self.resnets, skips, strict=True)):
            x = resnet(torch.cat([x, skip], dim=1), time)
            if self.attentions:
                x = self.attentions[index](x, audio)
        for grow in self.upsamplers:
            x = grow(x)
        return x


class UNet(nn.Module):
    """Draws the latents of a speaking mouth in one step, for inference only."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        channels = config.block_channels
        self.skips_per_block = config.layers_per_block + 1
        self.conv_in = nn.Conv2d(config.in_channels, channels[0], 3, padding=1)
        self.time_embedding = None if config.time_channels is None else TimeEmbedding(channels[0], config.time_channels)
        self.down_blocks = nn.ModuleList(DownBlock(config, index) for index in range(len(channels)))
        self.mid_block = MidBlock(config)
        self.up_blocks = nn.ModuleList(_up_blocks(config))
        self.conv_norm_out = config.norm.over(channels[0])
        self.conv_out = nn.Conv2d(channels[0], config.out_channels, 3, padding=1)
        self.eval().requires_grad_(False)

    def forward(self, latents: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Latents and the sound's tokens with their positions to the spoken latents.

        latents [B, 8, 32, 32]: the masked face's, then the whole face's; audio [B, 50, 384]; to [B, 4, 32, 32].
        All are scaled as the autoencoder's are here. Height and width are multiples of 8 (at the official depth).
        """
        time = None if self.time_embedding is None else self.time_embedding()
        x: torch.Tensor = self.conv_in(latents)
        skips = [x]
        for down in self.down_blocks:
            skips += down(skips[-1], audio, time)
        x = self.mid_block(skips[-1], audio, time)
        for up in self.up_blocks:
            taken = [skips.pop() for _ in range(self.skips_per_block)]
            x = up(x, taken, audio, time)
        out: torch.Tensor = self.conv_out(F.silu(self.conv_norm_out(x)))
        return out


def _up_blocks(config: UNetConfig) -> list[UpBlock]:
    skips = config.skip_channels
    inputs = config.block_channels[-1]
    blocks = []
    for index in reversed(range(len(config.block_channels))):
        taken = [skips.pop() for _ in range(config.layers_per_block + 1)]
        blocks.append(UpBlock(config, index, inputs, taken))
        inputs = config.block_channels[index]
    return blocks
