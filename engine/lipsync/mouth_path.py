"""Where the mouth is throughout a take: measured in every frame, steadied by how the face moves between frames.

A single measurement is off by a pixel or two, which would let the drawn mouth swim on the face. How far
the lower face moved since the frame before is known far better, but adds up to a drift. So the movement
is summed to a path, and only what the measurements differ from that path by is smoothed, heavily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.lipsync.face_finder import FaceBox
from engine.lipsync.face_path import steadied, without_lag
from engine.lipsync.mouth import FACE_SIDE, FacePatch, Grey, MouthLine, cut_face, measure_mouth
from engine.lipsync.smile import teeth_showing
from engine.video.i420 import I420

LOWER_FACE = (slice(FACE_SIDE // 2, FACE_SIDE + FACE_SIDE // 16), slice(FACE_SIDE // 8, FACE_SIDE - FACE_SIDE // 8))
"""The part of a patch, from the nose to the chin, whose movement the mouth shares."""
LARGEST_SHIFT = 0.15
"""In shares of the face's side a frame: a larger shift is a mistake of the correlation."""
CHIN = 1.03
"""The chin's height in the LBP box, as a share of its side below its top."""
LIP_SHARE = 0.92
"""The valley runs on into the creases beside the lips by so much that this share of it is mouth."""


@dataclass(frozen=True)
class MouthFrame:
    """What one frame tells: the mouth, the face's box, and the movement since the frame before in pixels.

    teeth: how far they show below the mouth's line, in half widths.
    """

    mouth: MouthLine
    teeth: float
    face: FaceBox
    moved_x: float
    moved_y: float


class MouthFollower:
    """Looks at a take's frames in order."""

    def __init__(self) -> None:
        self._before: FacePatch | None = None
        self._window = cv2.createHanningWindow(
            (LOWER_FACE[1].stop - LOWER_FACE[1].start, LOWER_FACE[0].stop - LOWER_FACE[0].start), cv2.CV_32F
        )

    def look(self, frame: I420, face: FaceBox) -> MouthFrame:
        """Measure the next frame, whose face is in ``face``."""
        patch = cut_face(frame.y, face)
        moved_x, moved_y = self._movement(patch)
        self._before = patch
        mouth = measure_mouth(patch)
        return MouthFrame(mouth, teeth_showing(frame, mouth), face, moved_x, moved_y)

    def _movement(self, patch: FacePatch) -> tuple[float, float]:
        before = self._before
        if before is None:
            return 0.0, 0.0
        (x, y), _ = cv2.phaseCorrelate(_lower(before), _lower(patch), np.asarray(self._window, np.float32))
        if max(abs(x), abs(y)) > LARGEST_SHIFT * FACE_SIDE:
            x, y = 0.0, 0.0
        middle_x, middle_y = FACE_SIDE / 2, FACE_SIDE * 0.78
        cut_x = patch.left - before.left + (patch.scale - before.scale) * middle_x
        cut_y = patch.top - before.top + (patch.scale - before.scale) * middle_y
        return cut_x + patch.scale * x, cut_y + patch.scale * y


def _lower(patch: FacePatch) -> Grey:
    return np.ascontiguousarray(patch.grey[LOWER_FACE])


def mouth_rows(frames: Sequence[MouthFrame]) -> NDArray[np.float32]:
    """The take's mouths as the preview draws them.

    Returns (N, 7) float32: x, y, half width, chin (pixels from the mouth's line to the chin), slope, bow, teeth.
    Where teeth show, the line runs along their lower edge: they stay with the head when the jaw drops.
    """
    sides = np.array([frame.face.side for frame in frames])
    spots = np.array([(frame.mouth.x, frame.mouth.y) for frame in frames])
    path = np.cumsum([(frame.moved_x, frame.moved_y) for frame in frames], axis=0)
    middles = path + without_lag(steadied(spots - path), 0.08)
    half = LIP_SHARE * sides * np.median([frame.mouth.half / frame.face.side for frame in frames])
    slopes = without_lag(steadied(np.array([[frame.mouth.slope] for frame in frames])), 0.12)
    bow = np.full(len(frames), np.median([frame.mouth.bow for frame in frames]))
    teeth = without_lag(steadied(np.array([[frame.teeth] for frame in frames])), 0.15)[:, 0]
    middles[:, 1] += teeth * half
    chin = _chins(frames, sides) - teeth * half
    return np.column_stack([middles, half, chin, slopes, bow - teeth, teeth]).astype(np.float32)


def _chins(frames: Sequence[MouthFrame], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    below = [CHIN - (frame.mouth.y - frame.face.top) / frame.face.side for frame in frames]
    return sides * float(np.clip(np.median(below), 0.18, 0.36))
