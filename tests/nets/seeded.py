"""Seeded random weights that let every detail of a network show in what it puts out."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)

GAINS = {
    "post_quant_conv": 0.2,
    "conv_in": 0.05,
    "conv1": 0.05,
    "conv2": 0.05,
    "proj_in": 0.1,
    "proj_out": 0.2,
    "net": 0.3,
    "to_v": 0.3,
    "to_out": 0.3,
    "to_q": 1.5,
    "to_k": 1.5,
}
"""What a layer makes of its input's size; 1 for the others.

Features are to be small where they are normalised, so that its eps matters, and what attention compares large, so
that it is uneven and the number of heads matters.
"""
NORM_SHIFT, SHIFT = 0.2, 0.02
"""Deviation of the biases of normalisations and of all others."""


def seeded_state(module: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Float32 weights for every key of ``module``, which may be on the meta device; the same seed gives the same.

    The module needs the official names only: a vector called weight is a normalisation's scale.
    """
    generator = torch.Generator().manual_seed(seed)
    return {key: _weight(key, value.shape, generator) for key, value in sorted(module.state_dict().items())}


def loaded(module: M, state: dict[str, torch.Tensor]) -> M:
    """``module``, made on the meta device, with exactly these weights; memory is shared with ``state``."""
    module.load_state_dict(state, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def channels_last(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights, those of convolutions with their channels last in memory."""
    return {
        key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for key, value in state.items()
    }


def share_of_deviation(ours: torch.Tensor, reference: torch.Tensor) -> float:
    """The largest difference as a share of the reference's standard deviation."""
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.std())


def _weight(key: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    weight = torch.empty(shape)
    if key.endswith(".bias"):
        return weight.normal_(0, NORM_SHIFT if "norm" in key.split(".")[-2] else SHIFT, generator=generator)
    if len(shape) == 1:
        return weight.uniform_(0.5, 1.5, generator=generator)
    gain = next((GAINS[layer] for layer in key.split(".") if layer in GAINS), 1.0)
    return weight.normal_(0, gain / weight[0].numel() ** 0.5, generator=generator)
