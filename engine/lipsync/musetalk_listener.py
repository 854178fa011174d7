"""MuseTalk's ear: turns one job's sound into the tokens that each frame is drawn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.renderer import Array
from engine.lipsync.windows import (
    SEGMENT_FEATURES,
    SEGMENT_HEARD,
    features_of_heard,
    first_feature,
    frames_decided,
    tokens,
    windows,
)
from engine.timebase import frames_of_heard

Samples = NDArray[np.float32]
Encode = Callable[[Samples], Array]
"""One segment of 480,000 heard samples to its features [1500, S, C]: five states of 384 channels, in MuseTalk."""


class MuseTalkListener:
    """Encodes the sound in segments of 30 s, each on its own, the last one filled up with zeros.

    A frame's feature is [10 S, C] ([50, 384] in MuseTalk), in the type that ``encode`` gives. However long the sound,
    one segment of samples and the few features that the next frame looks back on are all that is kept.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._segment = np.zeros(SEGMENT_HEARD, np.float32)
        self._heard = 0
        self._features: Array | None = None
        self._first = 0
        self._next_frame = 0

    def push(self, heard: Samples) -> list[Array]:
        """Take mono 16 kHz samples in [-1, 1]; return the features of the frames that are now decided, in order."""
        decided: list[Array] = []
        while len(heard):
            filled = self._heard % SEGMENT_HEARD
            taken, heard = np.split(heard, [SEGMENT_HEARD - filled])
            self._segment[filled : filled + len(taken)] = taken
            self._heard += len(taken)
            if self._heard % SEGMENT_HEARD == 0:
                self._hear_segment()
                known = self._heard // SEGMENT_HEARD * SEGMENT_FEATURES
                decided += self._frames(frames_decided(known), known)
        return decided

    def finish(self) -> list[Array]:
        """The sound has ended: the features of the remaining frames, up to ceil(L / 640) in all."""
        if self._heard % SEGMENT_HEARD:
            self._hear_segment()
        return self._frames(frames_of_heard(self._heard), features_of_heard(self._heard))

    def _hear_segment(self) -> None:
        features = self._encode(self._segment)
        self._segment = np.zeros(SEGMENT_HEARD, np.float32)
        self._features = features if self._features is None else np.concatenate([self._features, features])

    def _frames(self, end: int, known: int) -> list[Array]:
        """The frames up to ``end``, of a sound that has ``known`` features so far; drops what no later frame needs."""
        if self._features is None:
            return []
        wanted = windows(range(self._next_frame, end), known)
        frames = [tokens(window, self._features, self._first) for window in wanted]
        kept = first_feature(end)
        self._features = self._features[kept - self._first :].copy()
        self._first, self._next_frame = kept, end
        return frames
