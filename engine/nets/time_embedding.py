"""The UNet's time embedding, which never changes: the lips are drawn in one step, at timestep 0.

So what each residual block adds for it is a constant of every channel, and ``fold_time_embedding`` moves it into
the bias of the convolution before.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

EMBEDDING = "time_embedding."
PROJECTION = ".time_emb_proj."


class TimeEmbedding(nn.Module):
    """The activated embedding [1, channels] of timestep 0, from its ``waves`` cosines and sines."""

    def __init__(self, waves: int, channels: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(waves, channels)
        self.linear_2 = nn.Linear(channels, channels)

    def forward(self) -> torch.Tensor:
        waves = self.linear_1.weight.new_zeros(1, self.linear_1.in_features)
        # Cosines come first, and at timestep 0 they are all 1 and the sines all 0.
        waves[:, : self.linear_1.in_features // 2] = 1
        return F.silu(self.linear_2(F.silu(self.linear_1(waves))))


def fold_time_embedding(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The UNet's weights for ``UNetConfig(time_folded=True)``: the same function with the time embedding folded in.

    What each residual block would add is summed, in float32 at least, into its ``conv1.bias``, whose dtype stays;
    the keys of the embedding and its projections are left out. The other tensors are shared with ``state``. A key
    that is missing raises KeyError.
    """
    time = _embedding(state)
    folded = {key: value for key, value in state.items() if not key.startswith(EMBEDDING) and PROJECTION not in key}
    for key in state:
        if key.endswith(f"{PROJECTION}weight"):
            resnet = key.removesuffix(f"{PROJECTION}weight")
            bias = state[f"{resnet}.conv1.bias"]
            added = F.linear(time, _precise(state[key]), _precise(state[f"{resnet}{PROJECTION}bias"]))
            folded[f"{resnet}.conv1.bias"] = (_precise(bias) + added[0]).to(bias.dtype)
    return folded


def _embedding(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    channels, waves = state[f"{EMBEDDING}linear_1.weight"].shape
    with torch.device("meta"):
        embedding = TimeEmbedding(waves, channels).requires_grad_(False)
    weights = {name: _precise(state[f"{EMBEDDING}{name}"]) for name in embedding.state_dict()}
    embedding.load_state_dict(weights, assign=True)
    time: torch.Tensor = embedding()
    return time


def _precise(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
