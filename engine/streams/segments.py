"""Fragments into segments for HLS: each begins with a keyframe, and can be played without those before it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.streams.fragment import span_of
from engine.timebase import FRAME_RATE

FIRST_FRAMES = 1 * FRAME_RATE
"""The first segment is shorter than the others, so that a player begins early."""

FRAMES = 2 * FRAME_RATE
"""A segment ends before the first keyframe after so many; with a keyframe every second none is longer."""


@dataclass(frozen=True)
class CutSegment:
    """Fragments joined, in bytes as they came."""

    data: bytes
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / FRAME_RATE


class SegmentCutter:
    """Takes the fragments in order; gives out a segment when the next one begins."""

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._frames = 0
        self._wanted = FIRST_FRAMES

    def push(self, fragment: bytes) -> list[CutSegment]:
        """The segment that ended before this fragment, if one did."""
        span = span_of(fragment)
        ended = self.finish() if span.keyframe and self._frames >= self._wanted else []
        self._fragments.append(fragment)
        self._frames += span.frames
        return ended

    def finish(self) -> list[CutSegment]:
        """What is left, as a segment; none where nothing is left."""
        if not self._fragments:
            return []
        segment = CutSegment(b"".join(self._fragments), self._frames)
        self._fragments, self._frames, self._wanted = [], 0, FRAMES
        return [segment]
