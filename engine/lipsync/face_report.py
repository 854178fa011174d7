"""What is said of a clip's face, or of there being none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.errors import NoFace
from engine.lipsync.face_path import Take, seconds_of

LEAST_SHARE = 0.5
SMALL_FACE = 64
"""In pixels of the frame: below this the mouth is a handful of pixels."""


def demand_face(frames: int, faceless: Sequence[Take]) -> None:
    """Raises NoFace, with the seconds that show none, when fewer than half of so many frames show a face."""
    share = share_with_face(frames, faceless)
    if share >= LEAST_SHARE:
        return
    if frames <= 1:
        raise NoFace(
            "The picture shows no face from the front. Use one that shows a single face looking at the camera."
        )
    if not share:
        raise NoFace("The video shows no face from the front. Use one in which one person looks at the camera.")
    raise NoFace(
        f"Only {round(100 * share)} % of the video shows a face from the front; there is none at "
        f"{seconds_of(faceless)}. Use a video in which one person looks at the camera."
    )


def share_with_face(frames: int, faceless: Sequence[Take]) -> float:
    """The share of so many frames that shows a face, 0 to 1."""
    return 1 - sum(take.stop - take.start for take in faceless) / frames if frames else 0.0


def faceless_warnings(faceless: Sequence[Take]) -> Iterator[str]:
    """What the caller is told where some frames show no face."""
    if faceless:
        yield f"No face at {seconds_of(faceless)}: these frames are shown as they are."


def small_face_warnings(width: int) -> Iterator[str]:
    """What the caller is told where the face is small."""
    if width < SMALL_FACE:
        yield f"The face is only {width} pixels wide: a closer view looks better."
