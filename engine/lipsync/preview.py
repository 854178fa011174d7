"""The renderer without weights: it opens the very mouth in the frame, by the sound's level and spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from engine.lipsync.mouth_inside import Tone, paint_inside
from engine.lipsync.mouth_warp import Field, Lips, Mouth, Warp, warp
from engine.lipsync.renderer import Finish, Listener, Shot
from engine.lipsync.speech_shape import PreviewListener
from engine.video.i420 import I420, Bytes

PREVIEW = "preview"
MOUTH, TONE = "mouth", "tone"
"""Names of the track's arrays: (N, 7) and (N, 4) float32, the fields of Mouth and of Tone in order."""


BATCH_SIZES = (1, 2, 4)


class PreviewLipSync:
    """Moves lips and jaw of the frame itself, at its own size."""

    @property
    def name(self) -> str:
        return PREVIEW

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return BATCH_SIZES

    def listen(self, *, live: bool) -> Listener:
        """The same for every use: what a frame shows depends on no later sound."""
        return PreviewListener()

    def begin(self, shots: Sequence[Shot]) -> PreviewDrawing:
        """Draw at once: there is no device, and one thread that draws leaves the jobs' own to their work.

        With a resting mouth the picture is the frame's own, byte for byte. A shot's feature is (opening 0..1,
        width -1..1).
        """
        return PreviewDrawing([_drawn(shot) for shot in shots])

    def relieve(self) -> None:
        """Does nothing: no device holds memory."""

    def warm(self) -> None:
        """Does nothing: the first drawing is like the later ones."""


@dataclass(frozen=True)
class PreviewDrawing:
    """Shots that are drawn already."""

    pictures: list[I420]

    def wait(self) -> list[Finish]:
        return [partial(_same, picture) for picture in self.pictures]


def _same(picture: I420) -> I420:
    return picture


def _drawn(shot: Shot) -> I420:
    box = shot.track.box(shot.index)
    if box is None:
        raise ValueError(f"frame {shot.index} has no box to draw in")
    still = shot.frame.crop(box)
    lips = Lips(*(float(value) for value in shot.feature))
    if lips.resting:
        return still
    mouth = Mouth(*(float(value) for value in shot.track.data[MOUTH][shot.index]))
    tone = Tone(*(float(value) for value in shot.track.data[TONE][shot.index]))
    shape = warp(mouth, lips, box)
    moved = _warped(still, shape)
    if lips.opening > 0:
        paint_inside(moved, shape, mouth, lips, tone)
    return moved


def _warped(still: I420, shape: Warp) -> I420:
    moved = I420.blank(still.width, still.height)
    moved.y[:] = _remapped(still.y, shape.map_x, shape.map_y)
    # A chroma sample moves as the luma pixel at its corner: the movement is smooth enough for that.
    map_x, map_y = _for_chroma(shape.map_x), _for_chroma(shape.map_y)
    moved.u[:] = _remapped(still.u, map_x, map_y)
    moved.v[:] = _remapped(still.v, map_x, map_y)
    return moved


def _for_chroma(luma_map: Field) -> Field:
    return np.ascontiguousarray(luma_map[::2, ::2]) * np.float32(0.5)


def _remapped(plane: Bytes, map_x: Field, map_y: Field) -> Bytes:
    drawn = cv2.remap(plane, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(drawn, np.uint8)
