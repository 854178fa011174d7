"""What shows between parted lips: darkness, a hint of the upper teeth, the tongue."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.lipsync.mouth_warp import Field, Lips, Mouth, Warp, smooth_step
from engine.video.i420 import I420, Bytes

BLACK, GREY = 16.0, 128.0
"""Limited range: darkest lightness, and colour's absence."""
TEETH_BELOW = 0.13
"""The upper teeth end so far below the line of the closed mouth, in half widths; they don't move with the jaw."""
TEETH_GAPS = (0.0, 0.3, 0.54, 0.74)
"""Where teeth meet, to both sides of the middle, in half widths."""


@dataclass(frozen=True)
class Tone:
    """The person's own colours: the lips' lightness (Y) and colour (U, V), and the lit skin's lightness."""

    lip_y: float
    lip_u: float
    lip_v: float
    light: float


@dataclass(frozen=True)
class _Parts:
    """How much each part covers what lies behind it, 0 to 1, and how brightly the teeth are lit."""

    opening: Field
    tongue: Field
    teeth: Field
    lit: Field


def paint_inside(picture: I420, shape: Warp, mouth: Mouth, lips: Lips, tone: Tone) -> None:
    """Paint the mouth's inside into the warped ``picture`` of the box, in place."""
    window = _window(shape, mouth)
    parts = _parts(shape, window, mouth, lips)
    dark, wet = _toned(tone, 0.11, 0.45), _toned(tone, 0.5, 0.95)
    enamel = (BLACK + 0.86 * (tone.light - BLACK), GREY + 0.3 * (tone.lip_u - GREY), GREY + 0.28 * (tone.lip_v - GREY))
    inside = _blend(_blend(dark[0], wet[0], parts.tongue), dark[0] + (enamel[0] - dark[0]) * parts.lit, parts.teeth)
    _cover(picture.y[window], inside, parts.opening)
    half = tuple(slice(edge.start // 2, edge.stop // 2) for edge in window)
    tongue, teeth, opening = (_halved(part) for part in (parts.tongue, parts.teeth, parts.opening))
    for plane, which in ((picture.u, 1), (picture.v, 2)):
        inside = _blend(_blend(dark[which], wet[which], tongue), enamel[which], teeth)
        _cover(plane[half], inside, opening)


def _window(shape: Warp, mouth: Mouth) -> tuple[slice, slice]:
    """The even-aligned part of the box that holds the aperture."""
    inside = (shape.below < shape.bottom) & (shape.below > -shape.top)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return _even(rows, shape.below.shape[0]), _even(columns, shape.below.shape[1])


def _even(places: np.ndarray[tuple[int], np.dtype[np.intp]], length: int) -> slice:
    return slice(int(places[0]) & ~1, min(length, (int(places[-1]) + 2) & ~1))


def _parts(shape: Warp, window: tuple[slice, slice], mouth: Mouth, lips: Lips) -> _Parts:
    along, below = shape.along[window], shape.below[window]
    top, bottom = shape.top[window], shape.bottom[window]
    half = mouth.half
    soft = max(1.2, 0.05 * half)
    inwards = np.minimum(below + top, bottom - below)
    opening = smooth_step(inwards, 0.0, soft)
    sides = np.abs(along)
    tongue = smooth_step(below - bottom, -0.28 * half, 0.0) * smooth_step(sides, 0.8, 0.2)
    tongue *= np.float32(0.75 * _ramp(lips.opening, 0.15, 0.7))
    teeth, lit = _teeth(along, below, top, mouth, lips)
    return _Parts(opening, tongue, teeth, lit)


def _teeth(along: Field, below: Field, top: Field, mouth: Mouth, lips: Lips) -> tuple[Field, Field]:
    """The upper teeth: cover and brightness. Rounded lips hide them, barely parted ones leave them in the shade.

    A smile shows the person's own, and no others are painted.
    """
    half = mouth.half
    sides = np.abs(along)
    edge = np.float32(TEETH_BELOW * half) * (1 - np.float32(0.45) * along * along)
    soft = max(1.0, 0.03 * half)
    cover = smooth_step(below - edge, soft, -soft) * smooth_step(sides, 0.92, 0.62)
    shown = 0.0 if mouth.smiles else 0.9 * _ramp(lips.width, -0.95, -0.2) * _ramp(lips.opening, 0.08, 0.5)
    lit = smooth_step(below + top, -0.05 * half, 0.2 * half) * (1 - np.float32(0.55) * sides)
    for gap in TEETH_GAPS:
        lit = lit * (1 - np.float32(0.22) * smooth_step(np.abs(sides - gap), 0.035, 0.0))
    return cover * np.float32(shown), lit


def _ramp(value: float, nothing: float, full: float) -> float:
    return min(1.0, max(0.0, (value - nothing) / (full - nothing)))


def _toned(tone: Tone, light: float, colour: float) -> tuple[float, float, float]:
    """The lips' colour at a share of their lightness and of their colourfulness."""
    return (
        BLACK + light * (tone.lip_y - BLACK),
        GREY + colour * (tone.lip_u - GREY),
        GREY + colour * (tone.lip_v - GREY),
    )


def _blend(behind: Field | float, front: Field | float, cover: Field) -> Field:
    return np.asarray(behind + (front - behind) * cover, np.float32)


def _halved(part: Field) -> Field:
    rows, columns = part.shape
    if not part.size:
        return np.zeros((rows // 2, columns // 2), np.float32)
    return np.asarray(cv2.resize(part, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA), np.float32)


def _cover(plane: Bytes, inside: Field, opening: Field) -> None:
    plane[:] = np.rint(plane + (inside - plane) * opening).astype(np.uint8)
