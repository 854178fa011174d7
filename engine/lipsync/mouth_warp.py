"""How the lower face moves when the mouth opens: for every pixel of the box, where its picture comes from.

Lengths are pixels. The mouth's own axes run along its line (p, to the right) and across it (q, downwards).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, cos, sin

import numpy as np
from numpy.typing import NDArray

from engine.video.i420 import Box

Field = NDArray[np.float32]
"""A value for every pixel of a box: (height, width)."""

SIDE_REACH = 2.3
ABOVE_REACH = 0.95
BELOW_CHIN = 1.3
"""How far the movement reaches from the mouth's line, or below the chin, in half widths of the mouth."""
MOST_OPENING = 0.66
"""Height of the widest aperture in half widths."""
LOWER_SHARE = 0.75
JAW_SHARE = 0.8
"""The chin moves by so much of what the lower lip moves."""
NARROWEST, WIDEST = 0.8, 1.14
SEAM = 0.05
"""Half the thickness, in half widths, of the dark seam of closed lips, which must not show once they part."""


@dataclass(frozen=True)
class Mouth:
    """A closed mouth as FaceTrack.data keeps it, in pixels of the frame.

    chin: its distance below the line. bow: how far the corners hang below the middle, in half widths.
    teeth: how far the person's own teeth show above the line, in half widths.
    """

    x: float
    y: float
    half: float
    chin: float
    slope: float
    bow: float
    teeth: float

    @property
    def smiles(self) -> bool:
        """Whether teeth show above the line: the upper lip then stays where it is."""
        return self.teeth > 0.05


@dataclass(frozen=True)
class Lips:
    """How the mouth is held in one frame: ``opening`` 0 (closed) to 1, ``width`` -1 (rounded) to 1 (spread)."""

    opening: float
    width: float

    @property
    def resting(self) -> bool:
        return self.opening == 0 and self.width == 0

    @property
    def spread(self) -> float:
        """The factor on the mouth's width."""
        return 1 + self.width * (WIDEST - 1 if self.width > 0 else 1 - NARROWEST)


@dataclass(frozen=True)
class Warp:
    """The movement inside one box.

    map_x, map_y: where each pixel's picture comes from, in pixels of the box.
    along: place along the mouth, -1 and 1 at its corners. below: distance below its line.
    top, bottom: how far the aperture reaches above and below the line there.
    """

    map_x: Field
    map_y: Field
    along: Field
    below: Field
    top: Field
    bottom: Field


def smooth_step(value: Field, nothing: float, full: float) -> Field:
    """0 up to ``nothing``, 1 from ``full`` on (the other way round when ``full`` is smaller), smooth between."""
    share = np.clip((value - np.float32(nothing)) * np.float32(1 / (full - nothing)), np.float32(0), np.float32(1))
    return np.asarray(share * share * (np.float32(3) - np.float32(2) * share))


def warp(mouth: Mouth, lips: Lips, box: Box) -> Warp:
    """The movement of ``lips`` within ``box``; it is zero at the box's edges and never folds over."""
    angle = atan(mouth.slope)
    x = np.arange(box.width, dtype=np.float32)[None, :]
    y = np.arange(box.height, dtype=np.float32)[:, None]
    right, down = x - np.float32(mouth.x - box.left), y - np.float32(mouth.y - box.top)
    cosine, sine = np.float32(cos(angle)), np.float32(sin(angle))
    p, q = right * cosine + down * sine, down * cosine - right * sine
    aside = _aside(p, q, mouth, lips)
    along = (p - aside) * np.float32(1 / mouth.half)
    below = q - np.float32(mouth.bow * mouth.half) * np.minimum(along * along, np.float32(1.5))
    top, bottom = _aperture(along, mouth, lips)
    drop = _drop(along, below, top, bottom, mouth, lips)
    map_x, map_y = x - aside * cosine + drop * sine, y - aside * sine - drop * cosine
    return Warp(map_x, map_y, along, below, top, bottom)


def _aside(p: Field, q: Field, mouth: Mouth, lips: Lips) -> Field:
    """How far each pixel has moved along the line, by narrowing or widening the lips."""
    if lips.width == 0:
        return np.zeros_like(p)
    half = mouth.half
    near = smooth_step(np.abs(p), 1.95 * half, 0.95 * half) * smooth_step(q, -0.6 * half, -0.15 * half)
    near *= smooth_step(q, 1.4 * half, 0.4 * half)
    return np.asarray(p * near * np.float32(1 - 1 / lips.spread))


def _aperture(along: Field, mouth: Mouth, lips: Lips) -> tuple[Field, Field]:
    """How far the aperture reaches above and below the line: an ellipse, its corners sharper in a spread mouth."""
    roundness = np.float32(0.68 + 0.06 * lips.width)
    shape = np.maximum(1 - along * along, np.float32(0)) ** roundness
    height = np.float32(lips.opening * MOST_OPENING * mouth.half) * shape
    upper = 0 if mouth.smiles else 1 - LOWER_SHARE
    return height * np.float32(upper), height * np.float32(LOWER_SHARE)


def _drop(along: Field, below: Field, top: Field, bottom: Field, mouth: Mouth, lips: Lips) -> Field:
    """How far each pixel has moved down."""
    half = mouth.half
    seam = np.float32(SEAM * half)
    lip_down = bottom - np.minimum(seam, np.float32(0.5) * bottom)
    lip_up = top - np.minimum(seam, np.float32(0.5) * top)
    jaw_drop = JAW_SHARE * LOWER_SHARE * MOST_OPENING * half * lips.opening
    jaw = np.float32(jaw_drop) * smooth_step(np.abs(along), SIDE_REACH - 0.1, 0.15)
    into_jaw = smooth_step(below - bottom, 0.0, 0.85 * mouth.chin)
    lower = (lip_down + (jaw - lip_down) * into_jaw) * smooth_step(
        below, mouth.chin + jaw_drop + 0.8 * half, mouth.chin + jaw_drop - 0.15 * half
    )
    upper = -lip_up * smooth_step(below, -0.8 * half, -0.12 * half)
    return np.where(below > bottom, lower, np.where(below < -top, upper, below))
