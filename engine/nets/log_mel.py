"""Whisper's front end: sound to its log-mel spectrogram.

Source: openai/whisper, whisper/audio.py; the mel scale and its filters are those of Slaney's Auditory Toolbox (1998).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000
MELS = 80
FFT = 400
HOP = 160
BINS = FFT // 2 + 1
HIGHEST_HZ = 8_000.0
QUIETEST_POWER = 1e-10
DECADES_KEPT = 8.0

LINEAR_HZ_PER_MEL = 200 / 3
BREAK_HZ = 1_000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = math.log(6.4) / 27


class LogMel(nn.Module):
    """The spectrogram that the encoder reads. It has no weights; its tables move with ``to``."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.register_buffer("filters", mel_filters().float(), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """Float32 samples [B, L] at 16 kHz in [-1, 1] to float32 [B, 80, L / 160]; L is a multiple of 160.

        Each row is one segment: its values reach 8 decades of power below that row's own loudest, no further.
        """
        spectrum = torch.stft(sound, FFT, HOP, window=self.window, return_complex=True)
        power = spectrum[..., :-1].abs().square()
        levels = (self.filters @ power).clamp(min=QUIETEST_POWER).log10()
        floor = levels.amax(dim=(1, 2), keepdim=True) - DECADES_KEPT
        return (torch.maximum(levels, floor) + 4.0) / 4.0


def mel_filters() -> Tensor:
    """The triangular filters [80, 201], float64: rows are mel bands of 0 to 8 kHz, columns the Fourier bins.

    The corners lie evenly on the mel scale, and a filter's area over frequency is 1.
    """
    highest = float(_mel_of(torch.tensor(HIGHEST_HZ, dtype=torch.float64)))
    corners = _hz_of(torch.linspace(0.0, highest, MELS + 2, dtype=torch.float64))
    bins = torch.linspace(0.0, SAMPLE_RATE / 2, BINS, dtype=torch.float64)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0.0) * 2.0 / (right - left)


def _mel_of(hz: Tensor) -> Tensor:
    """Slaney's scale: 3 mel every 200 Hz up to 1 kHz, logarithmic above, 27 mel for a factor of 6.4."""
    above = BREAK_MEL + (hz.clamp(min=BREAK_HZ) / BREAK_HZ).log() / LOG_STEP
    return torch.where(hz < BREAK_HZ, hz / LINEAR_HZ_PER_MEL, above)


def _hz_of(mel: Tensor) -> Tensor:
    above = BREAK_HZ * ((mel.clamp(min=BREAK_MEL) - BREAK_MEL) * LOG_STEP).exp()
    return torch.where(mel < BREAK_MEL, mel * LINEAR_HZ_PER_MEL, above)
