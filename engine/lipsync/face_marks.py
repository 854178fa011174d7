"""A clip's landmarks and cuts: frames are decoded and made ready while the network looks at those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.cancel import CancelToken
from engine.lipsync.face_box import Points
from engine.lipsync.landmarks import Landmarks, Shown
from engine.lipsync.renderer import FrameSource, Progress
from engine.lipsync.shots import ShotChanges, thumbnail
from engine.lipsync.watched import AHEAD, decoded
from engine.stages import abreast, batched, beside
from engine.video.bgr import bgr_of
from engine.video.i420 import I420, Bytes

THREADS = 2


class LandmarkFinder(Protocol):
    """Finds faces' landmarks, ``batch`` frames at once."""

    @property
    def batch(self) -> int: ...

    def find(self, shown: Sequence[Shown]) -> list[Landmarks | None]:
        """The landmarks in each frame, or None where it shows no face."""
        ...


@dataclass(frozen=True)
class Marks:
    """Each frame's landmarks, and whether it starts another shot."""

    points: tuple[Points | None, ...]
    cuts: tuple[bool, ...]


def find_marks(frames: FrameSource, finder: LandmarkFinder, progress: Progress, cancel: CancelToken) -> Marks:
    """One walk over the frames; ``progress`` is told of each. Raises Cancelled, within a batch."""
    shots, points = ShotChanges(), list[Points | None]()
    with (
        beside(decoded(frames, cancel), AHEAD, "decoding") as pictures,
        beside(abreast(pictures, _Glance.at, THREADS), finder.batch, "glancing") as glances,
    ):
        for batch in batched(glances, finder.batch):
            cancel.check()
            for glance, found in zip(batch, finder.find([each.shown for each in batch]), strict=True):
                shots.look(glance.small)
                points.append(None if found is None else found.points)
                progress(len(points) / max(len(points), frames.count))
    return Marks(tuple(points), shots.cuts())


@dataclass(frozen=True)
class _Glance:
    """All that the first walk needs of a frame."""

    small: Bytes
    shown: Shown

    @classmethod
    def at(cls, frame: I420) -> _Glance:
        return cls(thumbnail(frame.y), Shown.of(bgr_of(frame)))
