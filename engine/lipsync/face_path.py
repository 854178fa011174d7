"""Where a face is throughout a clip: short holes closed, takes kept apart, the rest smoothed without lag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.face_finder import FaceBox
from engine.timebase import FRAME_RATE

Rows = NDArray[np.float64]
"""(N, columns): one row a frame."""

LONGEST_HOLE = 5
"""Frames without a face between two sightings of the same one that are taken for the finder's misses."""
LARGEST_STEP = 0.22
"""A face that moves by more than this share of its side between two frames has been cut, not moved."""
LARGEST_GROWTH = 1.35


@dataclass(frozen=True)
class Take:
    """Frames [start, stop) that show one face in one unbroken movement."""

    start: int
    stop: int


@dataclass(frozen=True)
class FacePath:
    """boxes: one a frame, None where it shows no face. takes: the unbroken runs of frames with a face, in order."""

    boxes: tuple[FaceBox | None, ...]
    takes: tuple[Take, ...]

    @property
    def share(self) -> float:
        """The share of frames that show the face, 0 to 1."""
        return sum(box is not None for box in self.boxes) / max(1, len(self.boxes))

    def faceless(self) -> tuple[Take, ...]:
        """The runs of frames without a face."""
        return tuple(runs([box is None for box in self.boxes]))


def face_path(seen: Sequence[FaceBox | None], cuts: Sequence[bool]) -> FacePath:
    """The face's path through the clip.

    ``seen`` is what the finder saw in each frame; ``cuts[i]`` says that frame i doesn't continue frame i - 1.
    """
    closed = _holes_closed(seen, cuts)
    takes = tuple(_takes(closed, cuts))
    boxes: list[FaceBox | None] = [None] * len(closed)
    for take in takes:
        boxes[take.start : take.stop] = _smoothed_boxes([box for box in closed[take.start : take.stop] if box])
    return FacePath(tuple(boxes), takes)


def runs(flags: Sequence[bool]) -> Iterator[Take]:
    """The frames in a row whose flag is set, in order."""
    start: int | None = None
    for index, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = index
        elif not flag and start is not None:
            yield Take(start, index)
            start = None


def seconds_of(takes: Sequence[Take]) -> str:
    """The takes as people read them: "0.0-1.2 s, 3.4-6.0 s"."""
    return ", ".join(f"{take.start / FRAME_RATE:.1f}-{take.stop / FRAME_RATE:.1f} s" for take in takes)


def without_lag(rows: Rows, share: float) -> Rows:
    """Exponential smoothing forwards and backwards; ``share`` is how much each row counts against the past.

    The mean of both orders: neither end is favoured, and a steady movement stays where it is.
    """
    there, back = _both_ways(rows, share), _both_ways(rows[::-1], share)[::-1]
    return np.asarray((there + back) / 2)


def steadied(rows: Rows, reach: int = 3) -> Rows:
    """The running median over ``reach`` rows to either side: a single miss leaves no trace."""
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1))


def _both_ways(rows: Rows, share: float) -> Rows:
    return _followed(_followed(rows, share)[::-1], share)[::-1]


def _followed(rows: Rows, share: float) -> Rows:
    smooth = np.array(rows, np.float64)
    for index in range(1, len(smooth)):
        smooth[index] = smooth[index - 1] + share * (smooth[index] - smooth[index - 1])
    return smooth


def _same_face(one: FaceBox, other: FaceBox, frames: int) -> bool:
    reach = LARGEST_STEP * max(one.side, other.side) * min(frames, 3)
    (x, y), (other_x, other_y) = one.centre, other.centre
    growth = max(one.side, other.side) / min(one.side, other.side)
    return max(abs(x - other_x), abs(y - other_y)) <= reach and growth <= LARGEST_GROWTH


def _holes_closed(seen: Sequence[FaceBox | None], cuts: Sequence[bool]) -> list[FaceBox | None]:
    closed = list(seen)
    for hole in runs([box is None for box in seen]):
        if hole.start == 0 or hole.stop == len(seen) or hole.stop - hole.start > LONGEST_HOLE:
            continue
        before, after = seen[hole.start - 1], seen[hole.stop]
        span = hole.stop - hole.start + 1
        if before and after and not any(cuts[hole.start : hole.stop + 1]) and _same_face(before, after, span):
            closed[hole.start : hole.stop] = [_between(before, after, step / span) for step in range(1, span)]
    return closed


def _between(one: FaceBox, other: FaceBox, share: float) -> FaceBox:
    left, top, side = (
        a + share * (b - a) for a, b in ((one.left, other.left), (one.top, other.top), (one.side, other.side))
    )
    return FaceBox(left, top, side)


def _takes(boxes: Sequence[FaceBox | None], cuts: Sequence[bool]) -> Iterator[Take]:
    for run in runs([box is not None for box in boxes]):
        start = run.start
        for index in range(run.start + 1, run.stop):
            before, here = boxes[index - 1], boxes[index]
            if cuts[index] or (before and here and not _same_face(before, here, 1)):
                yield Take(start, index)
                start = index
        yield Take(start, run.stop)


def _smoothed_boxes(boxes: Sequence[FaceBox]) -> list[FaceBox]:
    rows = np.array([(*box.centre, box.side) for box in boxes])
    middle = without_lag(steadied(rows[:, :2], 1), 0.5)
    side = without_lag(steadied(rows[:, 2:]), 0.15)
    return [FaceBox(float(x - s / 2), float(y - s / 2), float(s)) for (x, y), s in zip(middle, side[:, 0], strict=True)]
