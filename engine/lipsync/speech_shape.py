"""Hears how far a mouth opens and how wide it is held, from the sound's level and spectrum.

The opening follows the loudness of the voice's band over the level of the recording, and how much of the
energy lies where open vowels have their first formant; sounds without a pitch hardly open it. The width
follows where the second formant lies: high in "ee", low in "oo". Formant regions: Peterson and Barney, 1952.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import log2, log10

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.renderer import Array
from engine.timebase import HEARD_PER_FRAME, HEARD_RATE, frames_of_heard

WINDOW = 768
BEFORE = (WINDOW - HEARD_PER_FRAME) // 2
"""The window stands about the frame's middle: it begins so many samples before the frame and ends as many after."""

SILENT_DB = -62.0
"""Level of the voice's band below which nothing is heard, in dB of full scale."""
USUAL_DB = -30.0
"""The level that loud speech is expected at before anything was heard."""
RANGE_DB = 26.0
"""The mouth is closed at so many dB below the loud parts."""
FORGET_DB = 0.16
"""The loud level sinks by so much a voiced frame (4 dB a second), so that quiet recordings move the mouth too."""
NOISE_FRAMES, NOISE_MARGIN_DB = 150, 7.0
"""Speech pauses within six seconds; what doesn't is noise, and so is all that stands out of it by less than this."""
VOICELESS = 0.3
"""A sound without a pitch opens the mouth by so much of what a voiced one would."""
HIGHEST_PITCH, LOWEST_PITCH = 400, 80

Spectrum = NDArray[np.float64]
_FREQUENCIES = np.fft.rfftfreq(WINDOW, 1 / HEARD_RATE)
_HANN = np.hanning(WINDOW + 1)[:-1]
_PERIODS = slice(HEARD_RATE // HIGHEST_PITCH, HEARD_RATE // LOWEST_PITCH + 1)
_HANN_SELF = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 2 * WINDOW)) ** 2)


def _band(low: float, high: float) -> slice:
    return slice(int(np.searchsorted(_FREQUENCIES, low)), int(np.searchsorted(_FREQUENCIES, high)))


_VOICE, _FIRST, _OPEN = _band(120, 4000), _band(150, 1150), _band(480, 1150)
_SECOND, _BRIGHT = _band(700, 3200), _band(1800, 4000)


@dataclass(frozen=True)
class Sounding:
    """One frame's sound.

    level: dB of full scale in the voice's band. openness: 0 (as in "ee") to 1 (as in "ah").
    brightness: 0 (hummed through closed lips) to 1 (any vowel). voicing: 0 (hiss) to 1 (a clear pitch).
    width: -1 (as in "oo") to 1 (as in "ee").
    """

    level: float
    openness: float
    brightness: float
    voicing: float
    width: float

    @property
    def opening(self) -> float:
        """How far a mouth opens for this sound when it is loud, 0 to 1."""
        voiced = 0.1 + 0.17 * self.brightness + 0.63 * self.openness
        return voiced * (VOICELESS + (1 - VOICELESS) * self.voicing)


def sounding(window: NDArray[np.float64]) -> Sounding:
    """Analyse WINDOW samples at 16 kHz."""
    shaped = window * _HANN
    power = np.abs(np.fft.rfft(shaped)) ** 2
    # Parseval, with the Hann window's mean square of 3/8 and both halves of the spectrum.
    loudness = float(power[_VOICE].sum()) * 2 / (WINDOW * WINDOW * 0.375)
    if loudness < 10 ** (SILENT_DB / 10):
        return Sounding(SILENT_DB, 0.0, 0.0, 0.0, 0.0)
    openness = _openness(power)
    level = 10 * float(np.log10(loudness))
    return Sounding(level, openness, _brightness(power), _voicing(shaped), _width(power, openness))


def _openness(power: Spectrum) -> float:
    share = float(power[_OPEN].sum()) / (float(power[_FIRST].sum()) + 1e-12)
    return min(1.0, max(0.0, (share - 0.04) / 0.56))


def _brightness(power: Spectrum) -> float:
    share = float(power[_BRIGHT].sum()) / (float(power[_VOICE].sum()) + 1e-12)
    return min(1.0, max(0.0, (10 * log10(share + 1e-12) + 26) / 8))


def _voicing(shaped: NDArray[np.float64]) -> float:
    """How alike the sound is a pitch period later: autocorrelation over the window's own (Boersma, 1993)."""
    likeness = np.fft.irfft(np.abs(np.fft.rfft(shaped, 2 * WINDOW)) ** 2)
    periodic = likeness[_PERIODS] / (_HANN_SELF[_PERIODS] / _HANN_SELF[0])
    return min(1.0, max(0.0, (float(periodic.max()) / (float(likeness[0]) + 1e-12) - 0.35) / 0.15))


def _width(power: Spectrum, openness: float) -> float:
    """Where the middle of the second formant's region lies, in octaves from a neutral vowel's.

    An open vowel's first formant reaches into that region and would pass for rounded lips, so it counts less.
    """
    lifted = power[_SECOND] * _FREQUENCIES[_SECOND]
    middle = float((lifted * np.log2(_FREQUENCIES[_SECOND])).sum() / (lifted.sum() + 1e-12))
    width = min(1.0, max(-1.0, (middle - log2(1450.0)) / 0.55))
    return width * (1 - 0.5 * openness) if width < 0 else width


class _Level:
    """Follows the recording's loud and quiet levels."""

    def __init__(self) -> None:
        self._loud = USUAL_DB
        self._past = deque([SILENT_DB - NOISE_MARGIN_DB] * NOISE_FRAMES, NOISE_FRAMES)

    def share(self, level: float, voicing: float) -> float:
        """How loud a frame is between closed (0) and the recording's loud parts (1)."""
        self._past.append(level)
        closed = max(self._loud - RANGE_DB, min(self._past) + NOISE_MARGIN_DB, SILENT_DB)
        if level <= closed:
            return 0.0
        self._loud = max(level, self._loud - FORGET_DB * voicing)
        return min(1.0, (level - closed) / max(self._loud - closed, 1.0))


class _Follower:
    """Moves towards what is heard as lips can: quick to open, slower to close, and quite at rest in silence."""

    def __init__(self) -> None:
        self._opening = 0.0
        self._width = 0.0

    def step(self, opening: float, width: float) -> tuple[float, float]:
        self._opening += (0.7 if opening > self._opening else 0.55) * (opening - self._opening)
        self._width += 0.45 * (width - self._width)
        if opening == 0 and self._opening < 0.04:
            self._opening = 0.0
        if opening == 0 and abs(self._width) < 0.08:
            self._width = 0.0
        return self._opening, self._width


class PreviewListener:
    """One job's sound to features: float32 (opening 0..1, width -1..1) a frame of 640 samples.

    A frame is decided as soon as 64 samples (4 ms) after it have come. The features don't depend on how the
    sound is cut into pushes, and memory doesn't grow with its length.
    """

    def __init__(self) -> None:
        self._level = _Level()
        self._follower = _Follower()
        self._waiting = np.zeros(BEFORE)
        self._heard = 0
        self._decided = 0

    def push(self, heard: NDArray[np.float32]) -> list[Array]:
        """Take mono 16 kHz samples in [-1, 1]; return the features of the frames that are now decided, in order."""
        self._heard += len(heard)
        self._waiting = np.concatenate([self._waiting, heard.astype(np.float64)])
        return self._decide()

    def finish(self) -> list[Array]:
        """The features of the remaining frames: ceil(L / 640) in all for L samples."""
        missing = frames_of_heard(self._heard) - self._decided
        wanted = (missing - 1) * HEARD_PER_FRAME + WINDOW if missing else 0
        self._waiting = np.pad(self._waiting, (0, max(0, wanted - len(self._waiting))))
        return self._decide()

    def _decide(self) -> list[Array]:
        ready = max(0, (len(self._waiting) - WINDOW) // HEARD_PER_FRAME + 1)
        starts = range(0, ready * HEARD_PER_FRAME, HEARD_PER_FRAME)
        features = [self._feature(self._waiting[start : start + WINDOW]) for start in starts]
        self._waiting = self._waiting[ready * HEARD_PER_FRAME :].copy()
        self._decided += ready
        return features

    def _feature(self, window: NDArray[np.float64]) -> Array:
        sound = sounding(window)
        share = self._level.share(sound.level, sound.voicing)
        opening = share**0.85 * sound.opening
        width = sound.width * min(1.0, 2 * share)
        return np.array(self._follower.step(opening, width), np.float32)
