"""Prepares an avatar for the preview: finds the face, measures the mouth, lays the boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.lipsync.face_finder import FaceBox, FaceFinder, Sighting
from engine.lipsync.face_path import FacePath, face_path, without_lag
from engine.lipsync.face_report import demand_face, faceless_warnings, small_face_warnings
from engine.lipsync.mouth_path import MouthFollower, MouthFrame, mouth_rows
from engine.lipsync.mouth_warp import Mouth
from engine.lipsync.options import PreparationOptions
from engine.lipsync.preview import MOUTH, PREVIEW, TONE
from engine.lipsync.preview_box import MaskKey, mask_key, mask_of, mouth_box
from engine.lipsync.renderer import Face, FacePlace, FaceTrack, FrameSource, Progress
from engine.lipsync.shots import ShotChanges, thumbnail
from engine.lipsync.tone import measure_tone
from engine.lipsync.watched import watched
from engine.video.i420 import I420

REVISION = "1"


class PreviewPreparer:
    """Finds one frontal face with scikit-image's cascade; needs no weights."""

    @property
    def name(self) -> str:
        return PREVIEW

    @property
    def revision(self) -> str:
        return REVISION

    @property
    def heeds(self) -> frozenset[str]:
        return frozenset()

    def prepare(
        self, frames: FrameSource, options: PreparationOptions, progress: Progress, cancel: CancelToken
    ) -> FaceTrack:
        """Two passes over the frames: the face in each, then the mouth along the smoothed path.

        Raises NoFace, with the seconds that show no face, when fewer than half of the frames show one.
        """
        with watched(frames, lambda share: progress(0.7 * share), cancel) as walk:
            looked = _look(walk)
        path = face_path([sighting.face for sighting in looked.sightings], looked.cuts)
        demand_face(frames.count, path.faceless())
        with watched(frames, lambda share: progress(0.7 + 0.3 * share), cancel) as walk:
            rows = _measure(walk, path)
        return _track(rows, path, looked.sightings, frames.size)


@dataclass(frozen=True)
class _Looked:
    """The first pass: a sighting a frame, and whether each frame starts another shot."""

    sightings: tuple[Sighting, ...]
    cuts: tuple[bool, ...]


@dataclass(frozen=True)
class _Measured:
    """The second pass: ``mouths`` (N, 7) and ``tones`` (N, 4) float32, rows of zeros where a frame has no face."""

    mouths: NDArray[np.float32]
    tones: NDArray[np.float32]


def _look(frames: Iterator[I420]) -> _Looked:
    finder, shots = FaceFinder(), ShotChanges()
    sightings: list[Sighting] = []
    for frame in frames:
        if shots.look(thumbnail(frame.y)):
            finder.lose()
        sightings.append(finder.look(frame.y))
    return _Looked(tuple(sightings), shots.cuts())


def _measure(frames: Iterator[I420], path: FacePath) -> _Measured:
    mouths = np.zeros((len(path.boxes), 7), np.float32)
    tones = np.zeros((len(path.boxes), 4), np.float32)
    numbered = enumerate(frames)
    for take in path.takes:
        follower = MouthFollower()
        seen: list[MouthFrame] = []
        for index, frame in numbered:
            face = path.boxes[index]
            if face is None:
                continue
            seen.append(follower.look(frame, face))
            tones[index] = measure_tone(frame, seen[-1].mouth, seen[-1].teeth)
            if index == take.stop - 1:
                break
        mouths[take.start : take.stop] = mouth_rows(seen)
        tones[take.start : take.stop] = without_lag(tones[take.start : take.stop].astype(np.float64), 0.1)
    # The last frames may show no face: they are walked through for the progress that hangs on them.
    for _ in numbered:
        pass
    return _Measured(mouths, tones)


def _track(rows: _Measured, path: FacePath, sightings: Sequence[Sighting], size: tuple[int, int]) -> FaceTrack:
    boxes = np.zeros((len(path.boxes), 4), np.int32)
    mask_index = np.full(len(path.boxes), -1, np.int32)
    keys: dict[MaskKey, int] = {}
    for index, face in enumerate(path.boxes):
        if face is None:
            continue
        box = mouth_box(Mouth(*(float(value) for value in rows.mouths[index])), *size)
        if min(box.width, box.height) < 2:
            continue
        boxes[index] = box.left, box.top, box.right, box.bottom
        mask_index[index] = keys.setdefault(mask_key(box, *size), len(keys))
    masks = tuple(mask_of(key) for key in keys)
    place = _place(path.boxes[int(np.argmax(mask_index >= 0))], size)
    return FaceTrack(boxes, mask_index, masks, {MOUTH: rows.mouths, TONE: rows.tones}, _face(path, sightings, place))


def _place(face: FaceBox | None, size: tuple[int, int]) -> FacePlace | None:
    if face is None:
        return None
    return FacePlace.within(size, face.left, face.top, face.left + face.side, face.top + face.side)


def _face(path: FacePath, sightings: Sequence[Sighting], place: FacePlace | None) -> Face:
    side = round(float(np.median([box.side for box in path.boxes if box])))
    return Face(side, side, path.share, tuple(_warnings(path, sightings, side)), place)


def _warnings(path: FacePath, sightings: Sequence[Sighting], side: int) -> Iterator[str]:
    if any(sighting.faces > 1 for sighting in sightings):
        yield "More than one face was found: the largest speaks."
    yield from small_face_warnings(side)
    yield from faceless_warnings(path.faceless())
