"""Finds one frontal face a frame with scikit-image's LBP cascade, and stays with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from engine.video.i420 import Bytes

LONGEST_SIDE = 320
SMALLEST_FACE = 28
"""In pixels of the small copy: a smaller face has no mouth to speak of."""
NEIGHBOURS = 4
"""Overlapping hits that make a face, by the cascade's usual choice."""
SCORES = (3, 6, 10, 15, 21)
"""Numbers of overlapping hits by which rival faces are ranked."""


@dataclass(frozen=True)
class FaceBox:
    """A square from brow to chin, in pixels of the frame: its left and top edge and its side."""

    left: float
    top: float
    side: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.side / 2, self.top + self.side / 2

    def overlaps(self, other: FaceBox) -> bool:
        """Whether the centres are closer than half the larger side."""
        reach = max(self.side, other.side) / 2
        (x, y), (other_x, other_y) = self.centre, other.centre
        return abs(x - other_x) < reach and abs(y - other_y) < reach


@dataclass(frozen=True)
class Sighting:
    """What one frame showed: the face that is followed, and how many faces there were when all were looked for."""

    face: FaceBox | None
    faces: int


class FaceFinder:
    """Follows a face through a clip, frame after frame: a quick look round its last place, a full search when lost."""

    def __init__(self) -> None:
        # scikit-image takes a quarter of a second to import and only preparing needs it.
        import skimage.data
        import skimage.feature

        trained: Any = skimage.data.lbp_frontal_face_cascade_filename
        self._cascade: Any = skimage.feature.Cascade(trained())
        self._last: FaceBox | None = None

    def lose(self) -> None:
        """Forget where the face was: the next frame shows another picture."""
        self._last = None

    def look(self, lightness: Bytes) -> Sighting:
        """The face in a frame's Y plane (height, width)."""
        scale = min(1.0, LONGEST_SIDE / max(lightness.shape))
        small = (
            cv2.resize(lightness, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else lightness
        )
        picture = np.ascontiguousarray(small, np.uint8)
        followed = self._near(picture, self._last) if self._last else None
        sighting = Sighting(followed, 1) if followed else self._anywhere(picture)
        self._last = sighting.face
        return Sighting(_scaled(sighting.face, 1 / scale) if sighting.face else None, sighting.faces)

    def _anywhere(self, picture: Bytes) -> Sighting:
        found = self._hits(picture, SMALLEST_FACE, min(picture.shape), 1.12, NEIGHBOURS)
        scores = {face: self._score(picture, face) for face in found}
        best = max(found, key=lambda face: scores[face] * face.side, default=None)
        if best is None or scores[best] == 0:
            return Sighting(None, 0)
        sure = [face for face in found if scores[face] == len(SCORES) and face.side > best.side / 2]
        rivals = [face for face in sure if not face.overlaps(best)]
        return Sighting(self._near(picture, best) or best, 1 + len(rivals))

    def _near(self, picture: Bytes, face: FaceBox, neighbours: int = 2) -> FaceBox | None:
        """The face close to where it was and of about that size, or None."""
        margin = face.side * 0.35
        top, left = max(0, int(face.top - margin)), max(0, int(face.left - margin))
        bottom, right = int(face.top + face.side + margin), int(face.left + face.side + margin)
        part = np.ascontiguousarray(picture[top:bottom, left:right])
        smallest, largest = int(face.side * 0.84), min(int(face.side * 1.2) + 1, *part.shape)
        if smallest >= largest:
            return None
        hits = self._hits(part, smallest, largest, 1.04, neighbours)
        moved = [FaceBox(hit.left + left, hit.top + top, hit.side) for hit in hits]
        close = [hit for hit in moved if hit.overlaps(face)]
        return min(close, key=lambda hit: _unlikeness(hit, face), default=None)

    def _score(self, picture: Bytes, face: FaceBox) -> int:
        """How many of the ranks in SCORES the face reaches: a chance hit has few overlapping ones."""
        return sum(self._near(picture, face, neighbours) is not None for neighbours in SCORES)

    def _hits(self, picture: Bytes, smallest: int, largest: int, factor: float, neighbours: int) -> list[FaceBox]:
        hits = self._cascade.detect_multi_scale(
            picture, factor, 1.0, (smallest, smallest), (largest, largest), min_neighbor_number=neighbours
        )
        return [FaceBox(float(hit["c"]), float(hit["r"]), float(hit["width"])) for hit in hits]


def _scaled(face: FaceBox, scale: float) -> FaceBox:
    return FaceBox(face.left * scale, face.top * scale, face.side * scale)


def _unlikeness(face: FaceBox, other: FaceBox) -> float:
    (x, y), (other_x, other_y) = face.centre, other.centre
    return abs(x - other_x) + abs(y - other_y) + abs(face.side - other.side)
