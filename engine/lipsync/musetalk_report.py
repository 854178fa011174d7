"""What a caller is told of a face that MuseTalk is to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.lipsync.face_box import Bounds, BoundsPath, Points
from engine.lipsync.face_path import runs, seconds_of
from engine.lipsync.face_report import faceless_warnings, small_face_warnings

LARGE_FACE = 512
"""In pixels of the frame: above this the networks' 256 are drawn more than twice as large as they are."""
LEFT_EAR, RIGHT_EAR, NOSE_TIP = 0, 16, 30
"""Of iBUG's 68 points: both ends of the jaw's line, and the tip of the nose."""
ASIDE = 0.15
"""A face whose nose is nearer to one end of the jaw than this share of the way between both looks aside."""
NAMED_AT_MOST = 5


def musetalk_warnings(drawn: BoundsPath, points: Sequence[Points | None], size: tuple[int, int]) -> Iterator[str]:
    """``drawn``: the boxes that are drawn in frames of ``size``. points: the landmarks found in each frame."""
    boxes = [bounds for bounds in drawn.bounds if bounds]
    yield from small_face_warnings(round(float(np.median([bounds.width for bounds in boxes]))))
    longer = round(float(np.median([max(bounds.width, bounds.height) for bounds in boxes])))
    if longer > LARGE_FACE:
        yield (
            f"The face is {longer} pixels large, and the model draws 256: its mouth looks soft. A video in which the "
            f"face is at most {LARGE_FACE} pixels large looks even."
        )
    if edge := _seconds([bounds is not None and _at_edge(bounds, size) for bounds in drawn.bounds]):
        yield f"The face touches the frame's edge at {edge}: the mouth may look cut there."
    if aside := _seconds([seen is not None and _looks_aside(seen) for seen in points]):
        yield f"The face is turned aside at {aside}: the mouth looks best on one that looks at the camera."
    yield from faceless_warnings(drawn.faceless())


def _at_edge(bounds: Bounds, size: tuple[int, int]) -> bool:
    return bounds.left <= 0 or bounds.right >= size[0] or bounds.bottom >= size[1]


def _looks_aside(points: Points) -> bool:
    left, right, nose = (float(points[which, 0]) for which in (LEFT_EAR, RIGHT_EAR, NOSE_TIP))
    return right <= left or not ASIDE <= (nose - left) / (right - left) <= 1 - ASIDE


def _seconds(flags: Sequence[bool]) -> str:
    """When the flags are set, as people read it; nothing for never."""
    times = tuple(runs(flags))
    more = " and later" if len(times) > NAMED_AT_MOST else ""
    return seconds_of(times[:NAMED_AT_MOST]) + more
