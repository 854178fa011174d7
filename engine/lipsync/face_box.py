"""The box about a face that MuseTalk draws: from its landmarks, frame by frame or smoothed along the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.face_finder import FaceBox
from engine.lipsync.face_path import Take, face_path, runs, steadied, without_lag
from engine.video.i420 import Bytes

Points = NDArray[np.float64]
"""(68, 2): x and y of a face's landmarks in pixels of the frame, in iBUG's order."""

NOSE = 29
"""The point on the nose's bridge that the box is centred on, half way down the face."""
EXTRA_MARGIN = 10
"""Pixels below the chin, as MuseTalk V1.5 was tuned."""
SMALLEST = 2
"""In pixels: a box with a shorter side holds no face."""
MIDDLE_SHARE = 0.5
SIZE_SHARE = 0.2
"""A face's size changes slower than its place: what looks like quick growth is the landmarks' noise, or speech."""


@dataclass(frozen=True)
class Bounds:
    """A rectangle in whole pixels, right and bottom exclusive, that may reach beyond the frame."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def moved(self, right: int, down: int) -> Bounds:
        """The same rectangle so many pixels further right and down."""
        return Bounds(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def cut(self, picture: Bytes) -> Bytes:
        """A copy of the part of (H, W, ...) inside the rectangle, black where it lies beyond the picture."""
        part = np.zeros((self.height, self.width, *picture.shape[2:]), picture.dtype)
        top, bottom = np.clip((self.top, self.bottom), 0, picture.shape[0])
        left, right = np.clip((self.left, self.right), 0, picture.shape[1])
        inner = part[top - self.top : bottom - self.top, left - self.left : right - self.left]
        inner[...] = picture[top:bottom, left:right]
        return part


@dataclass(frozen=True)
class BoxRules:
    """How landmarks become boxes in frames of ``width`` x ``height`` pixels.

    extra_margin: pixels below the chin. smooth: along the clip; without it every frame stands alone, as in the
    reference.
    """

    width: int
    height: int
    extra_margin: int = EXTRA_MARGIN
    smooth: bool = True


@dataclass(frozen=True)
class BoundsPath:
    """A face's box in each frame of a clip, None where there is none."""

    bounds: tuple[Bounds | None, ...]

    @property
    def faces(self) -> int:
        """How many frames show the face."""
        return sum(box is not None for box in self.bounds)

    @property
    def share(self) -> float:
        """The share of frames that show the face, 0 to 1."""
        return self.faces / max(1, len(self.bounds))

    def faceless(self) -> tuple[Take, ...]:
        """The runs of frames without a face."""
        return tuple(runs([box is None for box in self.bounds]))


@dataclass(frozen=True)
class _Outline:
    """What of the landmarks makes the box, in pixels: from ``left`` to ``right``, ``half`` above and below ``nose``."""

    left: float
    right: float
    nose: float
    half: float


def face_bounds(points: Points, rules: BoxRules) -> Bounds | None:
    """The box of one frame by the reference's formula, or None where the landmarks span no box within the frame.

    Landmarks are cut to whole pixels. The box is as wide as they are, ends at the lowest of them and the extra
    margin, at most at the frame's lower edge, and begins as far above NOSE as the lowest is below it, at least at
    the upper edge. It may reach beyond the frame on either side.
    Source: MuseTalk's ``preprocessing.py`` and ``inference.py``, which takes another detector's box where this one
    has no area or begins left of the frame.
    """
    return _bounds(_outline(np.trunc(points)), rules)


def bounds_path(seen: Sequence[Points | None], cuts: Sequence[bool], rules: BoxRules) -> BoundsPath:
    """The boxes along a clip; ``cuts[i]`` says that frame i doesn't continue frame i - 1.

    Smoothing looks both ways, so that boxes don't lag. It joins no two sides of a cut, of a jump to another face
    or of a gap of more than five frames; the face in a shorter gap is taken to have been missed.
    """
    alone = [None if points is None else face_bounds(points, rules) for points in seen]
    if not rules.smooth:
        return BoundsPath(tuple(alone))
    outlines = [
        _outline(points) if box and points is not None else None for points, box in zip(seen, alone, strict=True)
    ]
    smooth: list[Bounds | None] = [None] * len(outlines)
    for take in face_path([_square(outline) for outline in outlines], cuts).takes:
        smooth[take.start : take.stop] = _smoothed(outlines[take.start : take.stop], rules)
    return BoundsPath(tuple(smooth))


def _outline(points: Points) -> _Outline:
    nose = float(points[NOSE, 1])
    return _Outline(float(points[:, 0].min()), float(points[:, 0].max()), nose, float(points[:, 1].max()) - nose)


def _bounds(outline: _Outline, rules: BoxRules) -> Bounds | None:
    top = int(max(0.0, outline.nose - outline.half))
    chin = int(outline.nose + outline.half)
    box = Bounds(int(outline.left), top, int(outline.right), min(chin + rules.extra_margin, rules.height))
    within = box.left < rules.width and box.right > 0 and box.top < rules.height
    return box if within and min(box.width, box.height, chin - top) >= SMALLEST else None


def _square(outline: _Outline | None) -> FaceBox | None:
    """A square about the outline's middle, by which faces are told apart and cuts seen."""
    if outline is None:
        return None
    side = max(outline.right - outline.left, 2 * outline.half)
    middle = (outline.left + outline.right) / 2
    return FaceBox(middle - side / 2, outline.nose - side / 2, side)


def _smoothed(outlines: Sequence[_Outline | None], rules: BoxRules) -> list[Bounds | None]:
    """The boxes of one take, whose first and last frame have an outline."""
    known = [(index, outline) for index, outline in enumerate(outlines) if outline]
    frames = [index for index, _ in known]
    rows = np.array([(o.left + o.right, 2 * o.nose, o.right - o.left, 2 * o.half) for _, o in known]) / 2
    filled = np.stack([np.interp(np.arange(len(outlines)), frames, column) for column in rows.T], axis=1)
    middles = without_lag(steadied(filled[:, :2], 1), MIDDLE_SHARE)
    halves = without_lag(steadied(filled[:, 2:]), SIZE_SHARE)
    return [
        _bounds(_Outline(x - across, x + across, nose, down), rules)
        for (x, nose), (across, down) in zip(middles.tolist(), halves.tolist(), strict=True)
    ]
