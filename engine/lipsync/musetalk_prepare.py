"""Prepares an avatar for MuseTalk: where the face is, what the networks start from, and what they replace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.lipsync.face_box import Bounds, BoundsPath, BoxRules, Points, bounds_path
from engine.lipsync.face_mask import MaskRules, blend_mask
from engine.lipsync.face_report import demand_face
from engine.lipsync.landmarks import Landmarks
from engine.lipsync.musetalk_look import Look, MuseTalkEyes, Seen
from engine.lipsync.musetalk_report import musetalk_warnings
from engine.lipsync.musetalk_track import FACE_BOX, LATENT_SHAPE, LATENTS, MUSETALK
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import Array, Face, FaceTrack, FrameSource, Progress
from engine.lipsync.shots import ShotChanges
from engine.lipsync.watched import watched
from engine.video.bgr import bgr_of
from engine.video.i420 import I420, Bytes

LOOKING = 0.4
"""The share of the work that finding the landmarks takes, about."""


class LandmarkFinder(Protocol):
    """Finds the face in one picture after another."""

    def find(self, picture: Bytes) -> Landmarks | None:
        """The landmarks in a BGR picture, uint8 (H, W, 3), or None where it shows no face."""
        ...


class MuseTalkPreparer:
    """Prepares with ``eyes``, at the places that ``landmarks`` finds.

    ``revision`` has to change with the models and with whatever else changes a track. ``smooth``: whether boxes
    are smoothed along the clip; without it every frame stands alone, as in the reference.
    """

    name = MUSETALK
    heeds = frozenset(PreparationOptions.model_fields)

    def __init__(self, eyes: MuseTalkEyes, landmarks: LandmarkFinder, revision: str, *, smooth: bool = True) -> None:
        self._eyes = eyes
        self._landmarks = landmarks
        self._smooth = smooth
        self.revision = revision

    def prepare(
        self, frames: FrameSource, options: PreparationOptions, progress: Progress, cancel: CancelToken
    ) -> FaceTrack:
        """Two passes over the frames: the landmarks in each, then latents and masks along the path of the boxes.

        Raises NoFace, with the seconds that show no face, when fewer than half of the frames show one.
        """
        rules = BoxRules(*frames.size, options.extra_margin, self._smooth)
        marks = self._marks(watched(frames, lambda share: progress(LOOKING * share), cancel))
        path = bounds_path(marks.points, marks.cuts, rules)
        demand_face(frames.count, path.faceless())
        walk = watched(frames, lambda share: progress(LOOKING + (1 - LOOKING) * share), cancel)
        rows = self._rows(walk, path, frames.size, _mask_rules(options))
        drawn = rows.drawn()
        demand_face(frames.count, drawn.faceless())
        return rows.track(_face(drawn, marks.points, frames.size))

    def _marks(self, frames: Iterator[I420]) -> _Marks:
        shots = ShotChanges()
        points: list[Points | None] = []
        for frame in frames:
            shots.look(frame.y)
            found = self._landmarks.find(bgr_of(frame))
            points.append(None if found is None else found.points)
        return _Marks(tuple(points), shots.cuts())

    def _rows(self, frames: Iterator[I420], path: BoundsPath, size: tuple[int, int], rules: MaskRules) -> _Rows:
        rows = _Rows.blank(len(path.bounds))
        last = max(index for index, bounds in enumerate(path.bounds) if bounds)
        waiting: list[_Placed] = []
        for index, (frame, bounds) in enumerate(zip(frames, path.bounds, strict=True)):
            if bounds is None:
                continue
            waiting.append(_Placed(index, bounds, Look.at(bgr_of(frame), bounds)))
            if len(waiting) == self._eyes.batch or index == last:
                seen = self._eyes.see([placed.look for placed in waiting])
                rows.add(waiting, seen, size, rules)
                waiting = []
        return rows


@dataclass(frozen=True)
class _Marks:
    """The first pass: each frame's landmarks, and whether it starts another shot."""

    points: tuple[Points | None, ...]
    cuts: tuple[bool, ...]


@dataclass(frozen=True)
class _Placed:
    """What is seen of frame ``index`` at ``bounds``."""

    index: int
    bounds: Bounds
    look: Look


@dataclass(frozen=True)
class _Rows:
    """The second pass: a FaceTrack's arrays, filled as it goes; zeros where a frame has no face."""

    boxes: NDArray[np.int32]
    mask_index: NDArray[np.int32]
    faces: NDArray[np.int32]
    latents: NDArray[np.float16]
    masks: list[Bytes] = field(default_factory=list)

    @classmethod
    def blank(cls, count: int) -> _Rows:
        return cls(
            boxes=np.zeros((count, 4), np.int32),
            mask_index=np.full(count, -1, np.int32),
            faces=np.zeros((count, 4), np.int32),
            latents=np.zeros((count, *LATENT_SHAPE), np.float16),
        )

    def add(self, batch: Sequence[_Placed], seen: Seen, size: tuple[int, int], rules: MaskRules) -> None:
        """A frame whose mask is empty is left without a face."""
        for placed, latents, classes in zip(batch, seen.latents, seen.classes, strict=True):
            mask = blend_mask(classes, placed.bounds, size, rules)
            if mask is None:
                continue
            bounds, box = placed.bounds, mask.box
            self.boxes[placed.index] = box.left, box.top, box.right, box.bottom
            self.mask_index[placed.index] = len(self.masks)
            self.faces[placed.index] = bounds.left, bounds.top, bounds.right, bounds.bottom
            self.latents[placed.index] = latents
            self.masks.append(mask.mask)

    def drawn(self) -> BoundsPath:
        """The boxes of the frames that have a mask."""
        return BoundsPath(
            tuple(
                Bounds(*(int(edge) for edge in face)) if mask >= 0 else None
                for face, mask in zip(self.faces, self.mask_index, strict=True)
            )
        )

    def track(self, face: Face) -> FaceTrack:
        data: dict[str, Array] = {LATENTS: self.latents, FACE_BOX: self.faces}
        return FaceTrack(self.boxes, self.mask_index, tuple(self.masks), data, face)


def _mask_rules(options: PreparationOptions) -> MaskRules:
    return MaskRules(options.parsing_mode, options.left_cheek_width, options.right_cheek_width)


def _face(drawn: BoundsPath, points: Sequence[Points | None], size: tuple[int, int]) -> Face:
    boxes = [bounds for bounds in drawn.bounds if bounds]
    width = round(float(np.median([bounds.width for bounds in boxes])))
    height = round(float(np.median([bounds.height for bounds in boxes])))
    return Face(width, height, drawn.share, tuple(musetalk_warnings(drawn, points, size)))
