"""Whisper's encoder against the implementation that MuseTalk's own code calls, on seeded random weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from transformers.models.whisper import configuration_whisper, modeling_whisper

from engine.nets.hearing import Hearing
from engine.nets.log_mel import LogMel
from engine.nets.whisper import WhisperConfig, WhisperEncoder, encoder_state

TINY = WhisperConfig(mels=80, width=32, layers=4, heads=2, hidden=64, positions=50)
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Pair:
    """The library's model and ours, with the same weights."""

    theirs: modeling_whisper.WhisperForConditionalGeneration
    ours: WhisperEncoder


def pair(config: WhisperConfig) -> Pair:
    theirs = modeling_whisper.WhisperForConditionalGeneration(
        configuration_whisper.WhisperConfig(
            num_mel_bins=config.mels,
            d_model=config.width,
            encoder_layers=config.layers,
            encoder_attention_heads=config.heads,
            encoder_ffn_dim=config.hidden,
            max_source_positions=config.positions,
            decoder_layers=1,
            decoder_attention_heads=1,
            decoder_ffn_dim=8,
            vocab_size=16,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
            decoder_start_token_id=0,
        )
    ).train(False)
    randomise(theirs)
    with torch.device("meta"):
        ours = WhisperEncoder(config)
    ours.load_state_dict(encoder_state(theirs.state_dict()), strict=True, assign=True)
    return Pair(theirs, ours)


@torch.no_grad()
def randomise(model: torch.nn.Module) -> None:
    """Weights that keep every step's output near 1, and norms with scales and shifts that show when swapped."""
    dice = torch.Generator().manual_seed(20)
    for name, weight in sorted(model.named_parameters()):
        weight.normal_(generator=dice)
        if "layer_norm.weight" in name:
            weight.mul_(0.3).add_(1)
        elif weight.ndim > 1 and "embed" not in name:
            weight.mul_(weight[0].numel() ** -0.5)


def states_of_both(models: Pair, mel: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        theirs = models.theirs.get_encoder()(mel, output_hidden_states=True).hidden_states
        return torch.stack(theirs, dim=2), models.ours(mel)


def assert_equal_states(theirs: Tensor, ours: Tensor) -> None:
    assert ours.shape == theirs.shape
    for number in range(theirs.shape[2]):
        expected = theirs[:, :, number]
        difference = (ours[:, :, number] - expected).abs().max()
        assert difference <= TOLERANCE * expected.std(), f"state {number}"


def random_mel(config: WhisperConfig, batch: int) -> Tensor:
    return torch.randn(batch, config.mels, 2 * config.positions, generator=torch.Generator().manual_seed(7))


def test_all_five_states_equal_the_librarys() -> None:
    theirs, ours = states_of_both(pair(TINY), random_mel(TINY, batch=3))
    assert ours.shape == (3, 50, 5, 32)
    assert_equal_states(theirs, ours)


@pytest.mark.full
def test_all_five_states_equal_the_librarys_at_full_size() -> None:
    theirs, ours = states_of_both(pair(WhisperConfig()), random_mel(WhisperConfig(), batch=1))
    assert ours.shape == (1, 1500, 5, 384)
    assert_equal_states(theirs, ours)


def test_the_default_is_whisper_tinys_encoder() -> None:
    with torch.device("meta"):
        encoder = WhisperEncoder(WhisperConfig())
    shapes = {name: tuple(weight.shape) for name, weight in encoder.state_dict().items()}
    assert len(shapes) == 67
    assert sum(weight.numel() for weight in encoder.parameters()) == 8_208_384
    assert shapes["conv1.weight"] == (384, 80, 3)
    assert shapes["embed_positions.weight"] == (1500, 384)
    assert shapes["layers.3.fc1.weight"] == (1536, 384)
    assert "layers.0.self_attn.k_proj.bias" not in shapes


def test_the_decoders_part_of_the_checkpoint_is_left_out() -> None:
    checkpoint = {"model.encoder.conv1.bias": torch.ones(1), "model.decoder.layer_norm.bias": torch.zeros(1)}
    assert list(encoder_state(checkpoint)) == ["conv1.bias"]


def test_half_precision_stays_finite_where_it_would_overflow() -> None:
    encoder = pair(TINY).ours
    with torch.no_grad():
        encoder.layers[0].get_parameter("fc2.bias").fill_(60_000)
        encoder.layers[1].get_parameter("fc2.bias").fill_(60_000)
        states = encoder.half()(random_mel(TINY, batch=1).half())
    assert states.isfinite().all()


def test_a_spectrogram_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="100 columns, not 98"):
        pair(TINY).ours(torch.zeros(1, 80, 98))


@pytest.mark.parametrize(
    ("weights", "features"), [(torch.float32, "float32"), (torch.float16, "float16"), (torch.bfloat16, "float32")]
)
def test_hearing_is_the_encoder_behind_the_spectrogram(weights: torch.dtype, features: str) -> None:
    encoder = pair(TINY).ours.to(weights)
    segment = torch.randn(16_000, generator=torch.Generator().manual_seed(3)) * 0.1
    heard = Hearing(encoder)(segment.numpy())
    with torch.inference_mode():
        expected = encoder(LogMel()(segment[None]).to(weights))[0]
    assert heard.shape == (50, 5, 32)
    assert heard.dtype == features
    torch.testing.assert_close(torch.from_numpy(heard).to(weights), expected)
