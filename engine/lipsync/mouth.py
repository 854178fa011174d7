"""Measures a mouth in one frame: the dark valley between the lips and the corners where it ends.

Everything is measured on a small copy of the face whose side is FACE_SIDE pixels, so that the same
numbers hold for every size of face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.lipsync.face_finder import FaceBox
from engine.video.i420 import Bytes

FACE_SIDE = 128
ROWS = 154
"""A fifth more than the face's side: the LBP box ends at the chin, and what follows is wanted too."""
LINE_FROM, LINE_TO = 0.66, 0.95
"""Shares of the face's height between which the mouth's line lies."""
MIDDLE = 0.28
"""Share of the face's width, about its middle, over which the valley is averaged."""
CORNER_STRENGTH = 1 / 3
"""The mouth ends where the valley is weaker than this share of its middle."""
LEAST_HALF, MOST_HALF = 0.12, 0.25
"""Bounds of the mouth's half width, as shares of the face's side."""

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class FacePatch:
    """A face's lightness, float32 (ROWS, FACE_SIDE), and where it was cut from.

    A point (x, y) of the patch lies at (left + scale * x, top + scale * y) of the frame.
    """

    grey: Grey
    left: float
    top: float
    scale: float


@dataclass(frozen=True)
class MouthLine:
    """The closed mouth in pixels of the frame.

    x, y: its middle. half: half its width. slope: dy / dx of the line through the corners.
    bow: how far the corners hang below the middle, as a share of ``half`` (negative in a smile).
    """

    x: float
    y: float
    half: float
    slope: float
    bow: float


def cut_face(lightness: Bytes, face: FaceBox) -> FacePatch:
    """The face's part of a frame's Y plane (height, width); beyond the frame its edge is repeated."""
    left, top, side = round(face.left), round(face.top), max(8, round(face.side))
    rows = round(side * ROWS / FACE_SIDE)
    part = _region(lightness, left, top, side, rows)
    shrinks = side > FACE_SIDE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(part, (FACE_SIDE, ROWS), interpolation=how).astype(np.float32)
    scale = side / FACE_SIDE
    return FacePatch(small, left + (scale - 1) / 2, top + (scale - 1) / 2, scale)


def _region(plane: Bytes, left: int, top: int, width: int, height: int) -> Bytes:
    rows = np.clip(np.arange(top, top + height), 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(left, left + width), 0, plane.shape[1] - 1)
    if rows[-1] - rows[0] == height - 1 and columns[-1] - columns[0] == width - 1:
        return np.ascontiguousarray(plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return np.ascontiguousarray(plane[np.ix_(rows, columns)])


def measure_mouth(patch: FacePatch) -> MouthLine:
    """The strongest horizontal dark valley in the lower part of the face."""
    valley = _valley(patch.grey)
    row = _line_row(valley)
    path, strength = _trace(valley, row)
    left, right = _corners(strength)
    middle, half = (left + right) / 2, (right - left) / 2
    height, slope, bow = _shape(path, strength, middle, half)
    x, y = patch.left + patch.scale * middle, patch.top + patch.scale * height
    return MouthLine(x, y, patch.scale * half, slope, bow)


def _valley(grey: Grey) -> Grey:
    """How much each pixel is darker than what lies above and below: the second derivative down the picture."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigmaX=2.0, sigmaY=1.6)
    bent = np.zeros_like(smooth)
    bent[2:-2] = smooth[4:] + smooth[:-4] - 2 * smooth[2:-2]
    return np.maximum(bent, 0)


def _line_row(valley: Grey) -> int:
    half = round(FACE_SIDE * MIDDLE / 2)
    profile = valley[:, FACE_SIDE // 2 - half : FACE_SIDE // 2 + half].mean(axis=1)
    first, last = round(FACE_SIDE * LINE_FROM), round(FACE_SIDE * LINE_TO)
    return first + int(np.argmax(profile[first:last]))


def _trace(valley: Grey, row: int) -> tuple[Grey, Grey]:
    """Follow the valley from the middle to both sides: its row and its strength in every column."""
    path = np.zeros(FACE_SIDE, np.float32)
    strength = np.zeros(FACE_SIDE, np.float32)
    middle = FACE_SIDE // 2
    for columns in (range(middle, FACE_SIDE), range(middle - 1, -1, -1)):
        here = float(row)
        for column in columns:
            found, strength[column] = _deepest(valley[:, column], round(here))
            # The line of a mouth is nearly straight: noise must not lead the trace away.
            here += 0.5 * float(np.clip(found - here, -1, 1))
            path[column] = here
    return path, strength


def _deepest(column: Grey, row: int, reach: int = 3) -> tuple[float, float]:
    """The valley's deepest row within ``reach`` of ``row``, to a part of a pixel, and its strength there."""
    deepest = row - reach + int(np.argmax(column[row - reach : row + reach + 1]))
    above, at, below = (float(value) for value in column[deepest - 1 : deepest + 2])
    bend = above - 2 * at + below
    return deepest + (0.5 * (above - below) / bend if bend < 0 else 0.0), at


def _corners(strength: Grey) -> tuple[float, float]:
    """The first columns to the left and right of the middle where the valley has faded."""
    middle = FACE_SIDE // 2
    smooth = np.convolve(strength, np.ones(5, np.float32) / 5, mode="same")
    core = round(FACE_SIDE * LEAST_HALF)
    faint = CORNER_STRENGTH * float(np.median(smooth[middle - core : middle + core]))
    most = round(FACE_SIDE * MOST_HALF)
    right = next((step for step in range(core, most) if smooth[middle + step] < faint), most)
    left = next((step for step in range(core, most) if smooth[middle - step] < faint), most)
    return float(middle - left), float(middle + right)


def _shape(path: Grey, strength: Grey, middle: float, half: float) -> tuple[float, float, float]:
    """Height at the middle, slope and bow of the parabola that fits the traced valley best."""
    columns = np.arange(round(middle - half), round(middle + half) + 1)
    along = (columns - middle) / half
    bow, slope, height = np.polyfit(along, path[columns], 2, w=np.sqrt(strength[columns]) + 1e-3)
    return float(height), float(slope / half), float(np.clip(bow / half, -0.4, 0.4))
