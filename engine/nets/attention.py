"""Attention: the UNet's transformer, which listens to the sound, and the autoencoder's single head.

Attribute names are those of the official weight files. B: batch, N: tokens, M: tokens of the sound, C: channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from engine.nets.blocks import Norm

TRANSFORMER_EPS = 1e-6
"""Of the group normalisation before a transformer; the UNet's others have 1e-5."""


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """Scaled dot-product attention in ``heads`` equal parts of C: [B, N, C], [B, M, C], [B, M, C] to [B, N, C]."""
    heard = F.scaled_dot_product_attention(_split(query, heads), _split(key, heads), _split(value, heads))
    return heard.transpose(1, 2).flatten(2)


def _split(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    return tokens.reshape(*tokens.shape[:2], heads, -1).transpose(1, 2)


def as_tokens(x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] to [B, H*W, C]; no copy where the memory is channels_last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def as_picture(tokens: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[B, H*W, C] to [B, C, H, W] with the height and width of ``like``."""
    return tokens.reshape(tokens.shape[0], *like.shape[2:], -1).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention of tokens [B, N, channels] to a context [B, M, context_channels]: to [B, N, channels]."""

    def __init__(self, channels: int, context_channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_channels, channels, bias=False)
        self.to_v = nn.Linear(context_channels, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        heard = attend(self.to_q(tokens), self.to_k(context), self.to_v(context), self.heads)
        out: torch.Tensor = self.to_out(heard)
        return out


class PictureAttention(nn.Module):
    """Attention of a picture's pixels to each other with one head, added to the picture: [B, C, H, W] to the same."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.group_norm = norm.over(channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = as_tokens(self.group_norm(x))
        seen = self.to_out(attend(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), heads=1))
        return x + as_picture(seen, like=x)


class GatedGelu(nn.Module):
    """[B, N, inputs] to [B, N, outputs]: one half of a projection, gated by the exact GELU of the other."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        kept, gate = self.proj(tokens).chunk(2, dim=-1)
        gated: torch.Tensor = kept * F.gelu(gate)
        return gated


class FeedForward(nn.Module):
    """[B, N, channels] to the same through four times as many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The files count three layers: the middle one was the dropout.
        self.net = nn.Sequential(GatedGelu(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(tokens)
        return out


class TransformerBlock(nn.Module):
    """Tokens look at each other, then at the sound, then each passes a feed-forward; every step is added."""

    def __init__(self, channels: int, context_channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, context_channels, heads)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """tokens [B, N, channels], context [B, M, context_channels]: to [B, N, channels]."""
        calm = self.norm1(tokens)
        tokens = tokens + self.attn1(calm, calm)
        tokens = tokens + self.attn2(self.norm2(tokens), context)
        out: torch.Tensor = tokens + self.ff(self.norm3(tokens))
        return out


class Transformer(nn.Module):
    """A transformer block over a picture's pixels, between two 1x1 convolutions, added to the picture."""

    def __init__(self, channels: int, context_channels: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm = Norm(groups, TRANSFORMER_EPS).over(channels)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_channels, heads)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """x [B, channels, H, W], context [B, M, context_channels]: to [B, channels, H, W]."""
        tokens = as_tokens(self.proj_in(self.norm(x)))
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        out: torch.Tensor = x + self.proj_out(as_picture(tokens, like=x))
        return out
