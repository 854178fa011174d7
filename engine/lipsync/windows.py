"""Which of the sound's features each frame is drawn from.

A feature is what the encoder says of 320 heard samples (20 ms), one vector for each of its states. Frame i is drawn
from features [2 i - 4, 2 i + 6): 80 ms before its start to 120 ms after, zeros where there is no sound.
Source of the arithmetic: TMElyralab/MuseTalk, musetalk/utils/audio_processor.py, at 25 frames a second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.timebase import HEARD_PER_FRAME, HEARD_RATE

FEATURE_RATE = 50
HEARD_PER_FEATURE = HEARD_RATE // FEATURE_RATE
FEATURES_PER_FRAME = HEARD_PER_FRAME // HEARD_PER_FEATURE
FEATURES_BEFORE = 4
FEATURES_AFTER = 6
WINDOW = FEATURES_BEFORE + FEATURES_AFTER

SEGMENT_HEARD = 30 * HEARD_RATE
SEGMENT_FEATURES = SEGMENT_HEARD // HEARD_PER_FEATURE

ZERO = -1
"""Stands in a window where no feature is."""


def features_of_heard(samples: int) -> int:
    """How many features a sound of so many 16 kHz samples has.

    In the reference's own floats and their order: for some lengths, 9,280 samples the first, they come out below the
    whole number that they stand for, and the last feature counts as silence there.
    """
    return math.floor(samples / HEARD_RATE * FEATURE_RATE)


def frames_decided(features: int) -> int:
    """How many frames have their whole window among the first ``features`` features, however the sound goes on."""
    return max(0, (features - FEATURES_AFTER) // FEATURES_PER_FRAME + 1)


def first_feature(frame: int) -> int:
    """The first feature that ``frame`` or a later frame is drawn from."""
    return max(0, FEATURES_PER_FRAME * frame - FEATURES_BEFORE)


def windows(frames: range, features: int) -> NDArray[np.int64]:
    """The features that each of ``frames`` is drawn from, of a sound that has ``features``: [len(frames), 10].

    ZERO stands before the sound's start and after its end.
    """
    starts = FEATURES_PER_FRAME * np.array(frames, np.int64) - FEATURES_BEFORE
    wanted = starts[:, None] + np.arange(WINDOW)
    return np.where((wanted >= 0) & (wanted < features), wanted, ZERO)


def tokens(window: NDArray[np.int64], features: NDArray[Any], first: int) -> NDArray[Any]:
    """The tokens that a window stands for: [10 S, C], time-major, the states of one feature side by side.

    features: [N, S, C], of which row 0 is the sound's feature number ``first``.
    """
    chosen = np.zeros((WINDOW, *features.shape[1:]), features.dtype)
    heard = window != ZERO
    chosen[heard] = features[window[heard] - first]
    return chosen.reshape(-1, features.shape[-1])


def position_encoding(count: int = 50, width: int = 384) -> NDArray[np.float32]:
    """What is added to a frame's tokens to tell their order: [count, width].

    Row p holds sin(p w_k) in column 2 k and cos(p w_k) in column 2 k + 1, with w_k = 10000^(-2 k / width)
    (Vaswani et al. 2017, arXiv 1706.03762).
    """
    speeds = np.exp(np.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = np.arange(count)[:, None] * speeds
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(count, width).astype(np.float32)
