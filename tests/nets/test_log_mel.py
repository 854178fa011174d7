"""Whisper's front end against the feature extractor that MuseTalk's own code calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

from engine.nets.log_mel import LogMel, mel_filters

RATE = 16_000
SEGMENT = 30 * RATE


def noise(samples: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def voice(samples: int) -> NDArray[np.float32]:
    """A buzz of 30 harmonics that swells and dies away four times a second."""
    time = np.arange(samples) / RATE
    harmonics = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 31))
    return (0.2 * harmonics * np.sin(4 * np.pi * time) ** 2).astype(np.float32)


def whole_segment(sound: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.pad(sound, (0, SEGMENT - len(sound))))[None]


def extracted(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the library's extractor makes of ``sound``, which it fills up to 30 s itself."""
    extractor = WhisperFeatureExtractor.from_dict({})
    assert isinstance(extractor, WhisperFeatureExtractor)
    return np.asarray(extractor(sound, sampling_rate=RATE, return_tensors="np")["input_features"], np.float32)


def test_filters_equal_the_published_ones() -> None:
    published = mel_filter_bank(201, 80, 0.0, 8000.0, RATE, norm="slaney", mel_scale="slaney")
    assert mel_filters().shape == (80, 201)
    np.testing.assert_allclose(mel_filters().numpy(), published.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(noise(SEGMENT), id="noise of 30 s"),
        pytest.param(voice(7 * RATE + 123), id="voice of 7 s"),
        pytest.param(np.concatenate([noise(RATE), np.zeros(RATE, np.float32), voice(RATE)]), id="silence between"),
        pytest.param(noise(100), id="6 ms"),
    ],
)
def test_spectrogram_equals_the_feature_extractors(sound: NDArray[np.float32]) -> None:
    expected = extracted(sound)
    mel = LogMel()(whole_segment(sound)).numpy()
    assert mel.shape == expected.shape == (1, 80, 3000)
    assert np.abs(mel - expected).max() <= 1e-4 * expected.std()


def test_silence_is_one_level() -> None:
    assert (LogMel()(torch.zeros(1, RATE)) == -1.5).all()


def test_a_loud_segment_hides_nothing_of_a_quiet_one() -> None:
    loud, quiet = torch.from_numpy(noise(RATE)), torch.from_numpy(noise(RATE, seed=2)) * 1e-4
    together, alone = LogMel()(torch.stack([loud, quiet])), LogMel()(quiet[None])
    torch.testing.assert_close(together[1], alone[0])
    assert together[0].min() > together[1].max()


def test_nothing_lies_further_than_eight_decades_below_the_loudest() -> None:
    mel = LogMel()(torch.from_numpy(voice(RATE))[None])
    assert float(mel.max() - mel.min()) == pytest.approx(8 / 4)
