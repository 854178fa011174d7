"""MuseTalk's ear: turns one job's sound into the tokens that each frame is drawn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.renderer import Array
from engine.lipsync.windows import (
    HEARD_PER_FEATURE,
    SEGMENT_FEATURES,
    SEGMENT_HEARD,
    features_of_heard,
    first_feature,
    frames_decided,
    tokens,
    windows,
)
from engine.timebase import HEARD_PER_FRAME, frames_of_heard

LIVE_FIRST = 9 * HEARD_PER_FRAME
"""Heard samples of a segment before its first encoding: six frames come of them, 0.36 s after the sound began."""

LIVE_HOP = 8 * HEARD_PER_FRAME
"""Heard samples from one encoding of a segment to the next: 94 encodings in 30 s, 3.2 a second."""

EDGE = 2
"""Features at the end of the sound so far that are not taken yet.

Feature f's spectrogram and convolutions are made of samples up to 320 f + 520, 200 past its own, so the last feature
mixes the sound with the zeros behind it. One would do; but sound is encoded in whole frames, of two features each, and
a frame's window ends with a whole one: two make no frame later.
"""

Samples = NDArray[np.float32]
Encode = Callable[[Samples], Array]
"""One segment of 480,000 heard samples to its features [1500, S, C]: five states of 384 channels, in MuseTalk."""


class MuseTalkListener:
    """Encodes the sound in segments of 30 s, each on its own, what is missing of one filled up with zeros.

    Not ``live``, a segment is encoded once it is whole. ``live``, it is encoded at LIVE_FIRST of its samples and every
    LIVE_HOP after that, and once more when it is whole: each encoding gives the features that are new, all but the
    last EDGE, and a feature once given is never made again. Every state but the first looks at the whole segment, so
    live features differ from the others; they depend on the sound alone, never on the pieces that it came in. In both
    ways what is left at the sound's end is encoded then.

    A frame's feature is [10 S, C] ([50, 384] in MuseTalk), in the type that ``encode`` gives. However long the sound,
    one segment of samples and the few features that the next frame looks back on are all that is kept.
    """

    def __init__(self, encode: Encode, *, live: bool = False) -> None:
        self._encode = encode
        self._live = live
        self._segment = np.zeros(SEGMENT_HEARD, np.float32)
        self._heard = 0
        self._features: Array | None = None
        self._first = 0
        self._known = 0
        self._next_frame = 0

    def push(self, heard: Samples) -> list[Array]:
        """Take mono 16 kHz samples in [-1, 1]; return the features of the frames that are now decided, in order."""
        decided: list[Array] = []
        while len(heard):
            filled = self._heard % SEGMENT_HEARD
            stop = self._next_encoding(filled)
            taken, heard = np.split(heard, [stop - filled])
            self._segment[filled : filled + len(taken)] = taken
            self._heard += len(taken)
            if filled + len(taken) == stop:
                self._hear(self._heard // HEARD_PER_FEATURE - (EDGE if stop < SEGMENT_HEARD else 0))
                decided += self._frames(frames_decided(self._known))
        return decided

    def finish(self) -> list[Array]:
        """The sound has ended: the features of the remaining frames, up to ceil(L / 640) in all."""
        if self._heard % SEGMENT_HEARD:
            self._hear(features_of_heard(self._heard))
        return self._frames(frames_of_heard(self._heard))

    def _next_encoding(self, filled: int) -> int:
        """The samples of the segment, more than ``filled``, at which it is encoded next."""
        if not self._live:
            return SEGMENT_HEARD
        if filled < LIVE_FIRST:
            return LIVE_FIRST
        return min(SEGMENT_HEARD, filled + LIVE_HOP - (filled - LIVE_FIRST) % LIVE_HOP)

    def _hear(self, known: int) -> None:
        """Encode the segment as it stands; of its features take those up to the sound's number ``known``."""
        begin = (self._heard - 1) // SEGMENT_HEARD * SEGMENT_FEATURES
        new = self._encode(self._segment)[self._known - begin : known - begin]
        self._features = new if self._features is None else np.concatenate([self._features, new])
        self._known = known
        if self._heard % SEGMENT_HEARD == 0:
            self._segment = np.zeros(SEGMENT_HEARD, np.float32)

    def _frames(self, end: int) -> list[Array]:
        """The frames up to ``end``, zeros where they look past the known features; drops what no later frame needs."""
        if self._features is None:
            return []
        wanted = windows(range(self._next_frame, end), self._known)
        frames = [tokens(window, self._features, self._first) for window in wanted]
        kept = first_feature(end)
        self._features = self._features[kept - self._first :].copy()
        self._first, self._next_frame = kept, end
        return frames
