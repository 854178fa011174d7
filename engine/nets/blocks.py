"""What the UNet and the autoencoder are both built of: residual blocks and changes of resolution.

Attribute names are those of the official weight files. Pictures of features are [B, C, H, W].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Norm:
    """How a network normalises its features: channels in ``groups``, variance plus ``eps``."""

    groups: int
    eps: float

    def over(self, channels: int) -> nn.GroupNorm:
        """The normalisation of so many channels, a multiple of ``groups``."""
        return nn.GroupNorm(self.groups, channels, eps=self.eps)


class Resnet(nn.Module):
    """Two 3x3 convolutions beside a shortcut: [B, inputs, H, W] to [B, outputs, H, W].

    With ``time_channels`` a projection of the time embedding [1, time_channels] is added between them.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, time_channels: int | None = None) -> None:
        super().__init__()
        self.norm1 = norm.over(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = None if time_channels is None else nn.Linear(time_channels, outputs)
        self.norm2 = norm.over(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor | None = None) -> torch.Tensor:
        """``time``: the activated time embedding [1, time_channels], given exactly where there is a projection."""
        changed: torch.Tensor = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            changed = changed + self.time_emb_proj(time)[:, :, None, None]
        changed = self.conv2(F.silu(self.norm2(changed)))
        return changed + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Downsample(nn.Module):
    """Half the resolution: [B, C, H, W] to [B, C, H/2, W/2].

    ``padding`` 1 surrounds the picture with zeros, as the UNet does; ``padding`` 0 adds one row below and one
    column to the right, as the autoencoder does.
    """

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)
        self.one_sided = padding == 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half: torch.Tensor = self.conv(F.pad(x, (0, 1, 0, 1)) if self.one_sided else x)
        return half


class Upsample(nn.Module):
    """Twice the resolution, every pixel repeated and then convolved: [B, C, H, W] to [B, C, 2H, 2W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        double: torch.Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return double
