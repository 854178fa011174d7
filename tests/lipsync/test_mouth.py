from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.lipsync.face_finder import FaceBox
from engine.lipsync.mouth import cut_face, measure_mouth
from engine.lipsync.smile import teeth_showing
from engine.video.i420 import Bytes
from tests.lipsync.portraits import GRACE_MOUTH, grace, smiling

GRACE = FaceBox(162, 124, 212)
SMILING = FaceBox(173, 66, 98)


def test_hits_the_lips_of_a_portrait() -> None:
    mouth = measure_mouth(cut_face(grace().y, GRACE))
    assert (mouth.x, mouth.y) == pytest.approx(GRACE_MOUTH, abs=5)
    assert mouth.half == pytest.approx(38, abs=6)


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_measures_alike_at_every_size(scale: float) -> None:
    whole = measure_mouth(cut_face(grace().y, GRACE))
    face = FaceBox(GRACE.left * scale, GRACE.top * scale, GRACE.side * scale)
    mouth = measure_mouth(cut_face(grace(scale).y, face))
    assert (mouth.x / scale, mouth.y / scale) == pytest.approx((whole.x, whole.y), abs=3)
    assert mouth.half / scale == pytest.approx(whole.half, abs=4)


def test_follows_a_tilted_head() -> None:
    level = measure_mouth(cut_face(grace().y, GRACE))
    turn = cv2.getRotationMatrix2D((268, 230), -6, 1)
    tilted = np.asarray(cv2.warpAffine(grace().y, turn, (512, 600)), np.uint8)
    mouth = measure_mouth(cut_face(tilted, GRACE))
    assert mouth.slope - level.slope == pytest.approx(np.tan(np.radians(6)), abs=0.04)


@pytest.mark.parametrize("bow", [-0.15, 0.0, 0.15])
def test_measures_a_drawn_line(bow: float) -> None:
    mouth = measure_mouth(cut_face(drawn_mouth(bow), FaceBox(0, 0, 256)))
    assert (mouth.x, mouth.y) == pytest.approx((132, 200), abs=3)
    assert mouth.half == pytest.approx(44, abs=6)
    assert mouth.bow == pytest.approx(bow, abs=0.06)


def test_a_face_over_the_frames_edge_is_measured_too() -> None:
    cut = np.ascontiguousarray(grace().y[:320])
    mouth = measure_mouth(cut_face(cut, GRACE))
    assert (mouth.x, mouth.y) == pytest.approx(GRACE_MOUTH, abs=5)


def test_teeth_show_in_a_smile_only() -> None:
    assert teeth_showing(grace(), measure_mouth(cut_face(grace().y, GRACE))) == 0
    assert 0.15 < teeth_showing(smiling(), measure_mouth(cut_face(smiling().y, SMILING))) < 0.5


def drawn_mouth(bow: float) -> Bytes:
    """A grey face 256 pixels wide, with a dark line 88 long about (132, 200) whose corners hang by ``bow``."""
    face = np.full((320, 256), 170, np.uint8)
    along = np.linspace(-1, 1, 60)
    points = np.stack([132 + 44 * along, 200 + bow * 44 * along**2], axis=1)
    cv2.polylines(face, [np.round(points).astype(np.int32)], False, 60, 4)
    return np.asarray(cv2.GaussianBlur(face, (0, 0), 1.5), np.uint8)
