"""Streaming resamplers: a voice's own rate to the played 48 kHz, and that to the heard 16 kHz.

Both keep time: what sounds at a second of the input sounds at that second of the output, and the output's length
is a whole number fixed by the input's.
"""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from engine.speech.voice import Samples
from engine.timebase import HEARD_PER_FRAME, HEARD_RATE, PLAYED_RATE

HeardSamples = NDArray[np.float32]
"""Mono sound at 16,000 samples a second, -1 to 1."""

_TAIL_SECONDS = Fraction(1, 50)


class Upsampler:
    """Mono int16 of any rate to 48 kHz: L samples become exactly ceil(L * 48000 / rate)."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=PLAYED_RATE)
        self._taken = 0
        self._given = 0

    def push(self, samples: Samples) -> Samples:
        """The next stretch in, what is ready of the output out; it may be empty."""
        if not samples.size:
            return samples
        ready = self._converted(samples, self._taken)
        self._taken += samples.size
        self._given += ready.size
        return ready

    def finish(self) -> Samples:
        """The rest of the output, when the input has ended."""
        if not self._taken:
            return np.zeros(0, np.int16)
        # The converter returns nothing for an input shorter than its filter: silence behind the end mends that.
        tail = np.zeros(math.ceil(self._rate * _TAIL_SECONDS), np.int16)
        rest = np.concatenate([self._converted(tail, self._taken), *_arrays(self._resampler.resample(None))])
        return rest[: -(-self._taken * PLAYED_RATE // self._rate) - self._given]

    def _converted(self, samples: Samples, position: int) -> Samples:
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = position
        frame.time_base = Fraction(1, self._rate)
        return np.concatenate([np.zeros(0, np.int16), *_arrays(self._resampler.resample(frame))])


def _arrays(frames: list[av.AudioFrame]) -> list[Samples]:
    return [frame.to_ndarray()[0].astype(np.int16, copy=False) for frame in frames]


_STEP = PLAYED_RATE // HEARD_RATE
_HALF_TAPS = 96
_CUTOFF_HZ = 7_500


def _low_pass() -> HeardSamples:
    """A windowed sinc (Kaiser, beta 8) of odd length: flat within 0.1 dB to 7 kHz, 60 dB down from 8.1 kHz."""
    offsets = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    taps = np.sinc(2 * _CUTOFF_HZ / PLAYED_RATE * offsets) * np.kaiser(offsets.size, 8.0)
    return np.asarray(taps / taps.sum(), np.float32)


class Downsampler:
    """48 kHz int16 to 16 kHz float32: L samples become exactly ceil(L / 3), and sample 3n lies at sample n.

    The output doesn't depend on how the input is cut into pieces, to the bit: it is computed in blocks of one
    video frame. It runs at most one frame and 2 ms behind the input.
    """

    _TAPS = _low_pass()
    _BLOCK = HEARD_PER_FRAME * _STEP

    def __init__(self) -> None:
        self._waiting: Samples = np.zeros(_HALF_TAPS, np.int16)
        self._taken = 0
        self._given = 0

    def push(self, samples: Samples) -> HeardSamples:
        """The next stretch in, the blocks that it completes out; it may be empty."""
        self._taken += samples.size
        self._waiting = np.concatenate([self._waiting, samples])
        blocks = max(0, self._waiting.size - 2 * _HALF_TAPS) // self._BLOCK
        return self._blocks(blocks)

    def finish(self) -> HeardSamples:
        """The rest of the output, when the input has ended."""
        missing = -(-self._taken // _STEP) - self._given
        self._waiting = np.concatenate([self._waiting, np.zeros(self._BLOCK + 2 * _HALF_TAPS, np.int16)])
        return self._blocks(-(-missing // HEARD_PER_FRAME))[:missing]

    def _blocks(self, count: int) -> HeardSamples:
        starts = range(0, count * self._BLOCK, self._BLOCK)
        heard = [_filtered(self._waiting[start : start + self._BLOCK + 2 * _HALF_TAPS], self._TAPS) for start in starts]
        self._waiting = self._waiting[count * self._BLOCK :]
        self._given += count * HEARD_PER_FRAME
        return np.concatenate([np.zeros(0, np.float32), *heard])


def _filtered(samples: Samples, taps: HeardSamples) -> HeardSamples:
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32) / 32_768, taps.size)[::_STEP]
    return np.asarray(windows[:HEARD_PER_FRAME] @ taps, np.float32)
