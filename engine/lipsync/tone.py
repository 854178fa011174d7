"""Takes a person's own colours from a frame, so that the mouth's inside fits the face and its light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.mouth import MouthLine
from engine.video.i420 import I420, Bytes


def measure_tone(frame: I420, mouth: MouthLine, teeth: float) -> NDArray[np.float32]:
    """(lip Y, lip U, lip V, lightness of the lit skin): the fields of the preview's Tone, float32.

    ``teeth``: how far they show below the mouth's line, in half widths; the lip lies below them.
    """
    lip = _Rectangle(mouth.x, mouth.y + (teeth + 0.2) * mouth.half, 0.5 * mouth.half, 0.14 * mouth.half)
    skin = _Rectangle(mouth.x, mouth.y - 0.1 * mouth.half, 1.6 * mouth.half, 1.0 * mouth.half)
    light = float(np.percentile(skin.of(frame.y, 1), 80))
    lips = [float(np.mean(lip.of(plane, step))) for plane, step in ((frame.y, 1), (frame.u, 2), (frame.v, 2))]
    return np.array([*lips, light], np.float32)


class _Rectangle:
    """A part of the frame about a middle, at least one sample large and within every plane."""

    def __init__(self, x: float, y: float, half_width: float, half_height: float) -> None:
        self._x, self._y = (x - half_width, x + half_width), (y - half_height, y + half_height)

    def of(self, plane: Bytes, step: int) -> Bytes:
        """The part of a plane with a sample for every ``step`` pixels."""
        rows, columns = plane.shape
        return plane[_inside(self._y, step, rows), _inside(self._x, step, columns)]


def _inside(span: tuple[float, float], step: int, length: int) -> slice:
    start = min(max(int(span[0] / step), 0), length - 1)
    return slice(start, max(start + 1, min(length, int(span[1] / step) + 1)))
