"""Whisper's encoder (Radford et al. 2022, arXiv 2212.04356), whose inner states tell the mouth what is being said.

The names of the parameters are those of the official checkpoint, without its prefix ``model.encoder.``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CHECKPOINT_PREFIX = "model.encoder."
HALF_LIMIT = torch.finfo(torch.float16).max - 1_000


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes of the encoder; the defaults are whisper-tiny's.

    mels: bands of the spectrogram. width: channels of a state. hidden: channels inside a layer's two linear steps.
    positions: features of one segment, half as many as its spectrogram has columns.
    """

    mels: int = 80
    width: int = 384
    layers: int = 4
    heads: int = 6
    hidden: int = 1536
    positions: int = 1500


class WhisperEncoder(nn.Module):
    """Log-mel spectrogram in, the states after every layer out."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(config.mels, config.width, 3, padding=1)
        self.conv2 = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        # Made as usual it would be drawn at random first, which on meta costs a second for importing torch's compiler.
        table = torch.empty(config.positions, config.width)
        self.embed_positions = nn.Embedding(config.positions, config.width, _weight=table)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.layer_norm = nn.LayerNorm(config.width)

    def forward(self, mel: Tensor) -> Tensor:
        """[B, mels, 2 positions] to [B, positions, layers + 1, width], in the encoder's own type.

        The states in order: the convolutions' output with positions added, then each layer's output,
        of which the last went through the final norm. Raises ValueError for a spectrogram of another length.
        """
        state = self._embedded(mel)
        states = [state]
        for layer in self.layers:
            state = layer(state)
            states.append(state)
        states[-1] = self.layer_norm(state)
        return torch.stack(states, dim=2)

    def _embedded(self, mel: Tensor) -> Tensor:
        columns = 2 * self.embed_positions.num_embeddings
        if mel.shape[-1] != columns:
            raise ValueError(f"the encoder reads spectrograms of {columns} columns, not {mel.shape[-1]}")
        features = functional.gelu(self.conv1(mel))
        features = functional.gelu(self.conv2(features))
        return features.transpose(1, 2) + self.embed_positions.weight


class EncoderLayer(nn.Module):
    """Attention and two linear steps, each behind its norm and around a residual: [B, T, width] to the same."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.width, config.heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.width)
        self.final_layer_norm = nn.LayerNorm(config.width)

    def forward(self, state: Tensor) -> Tensor:
        state = state + self.self_attn(self.self_attn_layer_norm(state))
        state = state + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(state))))
        # Half precision overflows where the wider types don't.
        return state.clamp(-HALF_LIMIT, HALF_LIMIT) if state.dtype == torch.float16 else state


class SelfAttention(nn.Module):
    """Every feature of the segment attends to every other: [B, T, width] to the same. The keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, state: Tensor) -> Tensor:
        query, key, value = (self._by_head(proj(state)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        attended = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return mixed

    def _by_head(self, projected: Tensor) -> Tensor:
        """[B, T, width] to [B, heads, T, width / heads]."""
        return projected.reshape(*projected.shape[:2], self.heads, -1).transpose(1, 2)


def encoder_state(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of the official checkpoint, under the encoder's own names; the decoder's part is left out."""
    return {
        key.removeprefix(CHECKPOINT_PREFIX): tensor
        for key, tensor in checkpoint.items()
        if key.startswith(CHECKPOINT_PREFIX)
    }
