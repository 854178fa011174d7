"""Prepares an avatar for MuseTalk: where the face is, what the networks start from, and what they replace."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.lipsync.face_box import Bounds, BoundsPath, BoxRules, Points, bounds_path
from engine.lipsync.face_marks import LandmarkFinder, find_marks
from engine.lipsync.face_mask import BlendMask, MaskRules, blend_mask
from engine.lipsync.face_report import demand_face
from engine.lipsync.musetalk_look import Look, MuseTalkEyes
from engine.lipsync.musetalk_report import musetalk_warnings
from engine.lipsync.musetalk_track import FACE_BOX, LATENT_SHAPE, LATENTS, MUSETALK
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import Array, Face, FacePlace, FaceTrack, FrameSource, Progress
from engine.lipsync.watched import AHEAD
from engine.stages import abreast, batched, beside
from engine.video.bgr import bgr_of
from engine.video.i420 import I420, Bytes

LOOKING = 0.4
"""The share of the work that finding the landmarks takes, about."""
THREADS = 4
"""That cut faces out, and that make masks: each takes about as long as decoding two frames of 720p."""


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
        """Two walks over the frames: the landmarks in each, then latents and masks along the path of the boxes.

        In each, what the networks see next is made ready while they are at work. The track is the same however long
        anything takes. Raises NoFace, with the seconds that show no face, when fewer than half of the frames show one.
        """
        rules = BoxRules(*frames.size, options.extra_margin, self._smooth)
        marks = find_marks(frames, self._landmarks, lambda share: progress(LOOKING * share), cancel)
        path = bounds_path(marks.points, marks.cuts, rules)
        demand_face(frames.count, path.faceless())
        rows = self._rows(_Walk(frames, path, cancel), _mask_rules(options), progress)
        drawn = rows.drawn()
        demand_face(frames.count, drawn.faceless())
        return rows.track(_face(drawn, marks.points, frames.size))

    def _rows(self, walk: _Walk, rules: MaskRules, progress: Progress) -> _Rows:
        rows = _Rows.blank(len(walk.path.bounds))
        size, faces = walk.frames.size, walk.path.faces
        with (
            beside(walk.frames_with_face(), AHEAD, "decoding") as found,
            beside(abreast(found, _Found.placed, THREADS), self._eyes.batch, "cutting out") as placed,
            beside(self._parsed(placed, walk.cancel), self._eyes.batch, "seeing") as parsed,
        ):
            masked = abreast(parsed, lambda face: _Masked.of(face, size, rules), THREADS)
            for done, face in enumerate(masked, start=1):
                walk.cancel.check()
                rows.add(face)
                progress(LOOKING + (1 - LOOKING) * done / faces)
        return rows

    def _parsed(self, placed: Iterator[_Placed], cancel: CancelToken) -> Generator[_Parsed, None, None]:
        for batch in batched(placed, self._eyes.batch):
            cancel.check()
            seen = self._eyes.see([each.look for each in batch])
            for each, latents, classes in zip(batch, seen.latents, seen.classes, strict=True):
                yield _Parsed(each.index, each.bounds, latents, classes)


@dataclass(frozen=True)
class _Walk:
    """The second walk: over the frames that show a face, along the path of its boxes."""

    frames: FrameSource
    path: BoundsPath
    cancel: CancelToken

    def frames_with_face(self) -> Generator[_Found, None, None]:
        for index, bounds in enumerate(self.path.bounds):
            self.cancel.check()
            if bounds is not None:
                yield _Found(index, bounds, self.frames.frame(index))


@dataclass(frozen=True)
class _Found:
    """Frame ``index``, which shows a face at ``bounds``."""

    index: int
    bounds: Bounds
    frame: I420

    def placed(self) -> _Placed:
        return _Placed(self.index, self.bounds, Look.at(bgr_of(self.frame), self.bounds))


@dataclass(frozen=True)
class _Placed:
    """What is seen of frame ``index`` at ``bounds``."""

    index: int
    bounds: Bounds
    look: Look


@dataclass(frozen=True)
class _Parsed:
    """What the networks say of it: latents (8, 32, 32) and classes (512, 512)."""

    index: int
    bounds: Bounds
    latents: NDArray[np.float16]
    classes: Bytes


@dataclass(frozen=True)
class _Masked:
    """What becomes of it: a row of the track. A face whose mask is empty is none."""

    index: int
    bounds: Bounds
    latents: NDArray[np.float16]
    mask: BlendMask | None

    @classmethod
    def of(cls, parsed: _Parsed, size: tuple[int, int], rules: MaskRules) -> _Masked:
        mask = blend_mask(parsed.classes, parsed.bounds, size, rules)
        return cls(parsed.index, parsed.bounds, parsed.latents, mask)


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

    def add(self, face: _Masked) -> None:
        """A frame whose mask is empty is left without a face."""
        if face.mask is None:
            return
        bounds, box = face.bounds, face.mask.box
        self.boxes[face.index] = box.left, box.top, box.right, box.bottom
        self.mask_index[face.index] = len(self.masks)
        self.faces[face.index] = bounds.left, bounds.top, bounds.right, bounds.bottom
        self.latents[face.index] = face.latents
        self.masks.append(face.mask.mask)

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
    first = boxes[0]
    place = FacePlace.within(size, first.left, first.top, first.right, first.bottom)
    return Face(width, height, drawn.share, tuple(musetalk_warnings(drawn, points, size)), place)
