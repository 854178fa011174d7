"""The networks that draw a face as one function: latents and sound in, 8-bit pictures out.

The two steps around the decoder are folded into its outermost convolutions: the latents' scale into the first, and
into the last one the scale from -1..1 to levels and the order of the colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import nn

from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder

HALF_RANGE = 127.5
"""What 1 of the decoder's answer is in levels; 0 is the level HALF_RANGE."""


class Painted(NamedTuple):
    """pictures: BGR uint8 [B, H, W, 3]. finite: bool [B], whether all that a picture was made of was a number."""

    pictures: torch.Tensor
    finite: torch.Tensor


class FacePainter(nn.Module):
    """Paints with ``unet`` and ``decoder``, whose weights it shares.

    ``positions`` [50, C] are added to a frame's tokens; they have the networks' device and type.
    """

    positions: torch.Tensor

    def __init__(self, unet: UNet, decoder: VaeDecoder, positions: torch.Tensor) -> None:
        super().__init__()
        self.unet = unet
        self.decoder = decoder.decoder
        self.into = _unscaling(decoder.post_quant_conv, decoder.scaling_factor)
        self.out = _in_levels(decoder.decoder.conv_out)
        self.register_buffer("positions", positions, persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, latents: torch.Tensor, tokens: torch.Tensor) -> Painted:
        """latents [B, 8, H/8, W/8] and tokens [B, 50, C] to pictures, half a level rounded up."""
        return in_bytes(self.drawn(latents, tokens))

    def drawn(self, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The pictures in the networks' type, as levels about 0: [B, 3, H, W], blue first."""
        spoken = self.unet(latents, tokens + self.positions)
        levels: torch.Tensor = self.out(self.decoder.features(self.into(spoken)))
        return levels

    def put_channels_last(self) -> None:
        """Lay the weights of convolutions out as tensor cores read them; the networks that share them have them so."""
        for weight in self.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def in_bytes(drawn: torch.Tensor) -> Painted:
    """What a painter has drawn, in 8 bits."""
    # Added in float32, where half precision would lose bits of the brightest levels; truncating then rounds.
    levels = (drawn.float() + (HALF_RANGE + 0.5)).clamp(0, 255).to(torch.uint8)
    return Painted(levels.permute(0, 2, 3, 1).contiguous(), drawn.isfinite().flatten(1).all(1))


def _unscaling(layer: nn.Conv2d, scale: float) -> nn.Conv2d:
    """A layer that divides its input by ``scale`` first."""
    state = layer.state_dict()
    return _like(layer, {**state, "weight": state["weight"].float() / scale})


def _in_levels(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer whose output is in levels, blue first."""
    return _like(layer, {key: (value.float() * HALF_RANGE).flip(0) for key, value in layer.state_dict().items()})


def _like(layer: nn.Conv2d, state: Mapping[str, torch.Tensor]) -> nn.Conv2d:
    """A convolution as ``layer``, of its type, with other weights."""
    made = deepcopy(layer)
    made.load_state_dict({key: value.to(layer.weight.dtype) for key, value in state.items()}, assign=True)
    return made
