"""From the face that MuseTalk's networks draw to the picture of a shot's box."""

from __future__ import annotations

import cv2
import numpy as np

from engine.lipsync.musetalk_track import FACE_BOX
from engine.lipsync.renderer import Array, Shot
from engine.video.bgr import bgr_of, i420_of
from engine.video.i420 import I420, Box, Bytes


def own_mouth(shot: Shot) -> I420:
    """The avatar's own picture of the shot's box."""
    return shot.frame.crop(_box(shot))


def drawn_mouth(shot: Shot, face: Bytes) -> I420:
    """The same with ``face``, BGR (256, 256, 3), in its place, as far as the shot speaks."""
    box, own = _box(shot), own_mouth(shot)
    picture = i420_of(_pasted(bgr_of(own), box, shot.track.data[FACE_BOX][shot.index], face))
    return picture if shot.feature.speaks >= 1 else _faded(own, picture, shot.feature.speaks)


def _pasted(picture: Bytes, box: Box, bounds: Array, face: Bytes) -> Bytes:
    """``picture``, which shows ``box`` of the frame, with the face drawn over its place at ``bounds``."""
    left, top, right, bottom = (int(edge) for edge in bounds)
    large = cv2.resize(face, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    across = slice(max(left, box.left), min(right, box.right))
    down = slice(max(top, box.top), min(bottom, box.bottom))
    picture[down.start - box.top : down.stop - box.top, across.start - box.left : across.stop - box.left] = large[
        down.start - top : down.stop - top, across.start - left : across.stop - left
    ]
    return picture


def _faded(own: I420, drawn: I420, share: float) -> I420:
    return I420(np.asarray(cv2.addWeighted(drawn.packed, share, own.packed, 1 - share, 0), np.uint8))


def _box(shot: Shot) -> Box:
    box = shot.track.box(shot.index)
    if box is None:
        raise ValueError(f"frame {shot.index} has no face to draw")
    return box
