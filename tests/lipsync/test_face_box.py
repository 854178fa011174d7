"""Boxes about a face, one by one and along a clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.lipsync.face_box import Bounds, BoundsPath, BoxRules, Points, bounds_path, face_bounds
from engine.lipsync.face_path import Take

RULES = BoxRules(640, 480)
ALONE = replace(RULES, smooth=False)
FACE = Bounds(220, 120, 380, 330)
"""The box of ``landmarks()`` by RULES: 200 rows about 220, and the margin of 10."""


def landmarks(x: float = 300, nose: float = 220, width: float = 160, below: float = 100) -> Points:
    """68 points on an oval: ``x`` is its middle, the nose's point at ``nose`` and the chin ``below`` it."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack((x + width / 2 * np.cos(angles), nose + 0.8 * below * np.sin(angles)), axis=1)
    points[0], points[16] = (x - width / 2, nose), (x + width / 2, nose)
    points[8] = (x, nose + below)
    points[29] = (x, nose)
    return np.asarray(points, np.float64)


def bars(boxes: BoundsPath, edge: str) -> NDArray[np.float64]:
    return np.array([getattr(box, edge) for box in boxes.bounds if box], np.float64)


def steady(count: int) -> list[bool]:
    return [False] * count


class TestOneFrame:
    def test_the_box_is_centred_on_the_nose_and_has_a_margin_below(self) -> None:
        assert face_bounds(landmarks(), RULES) == FACE

    def test_landmarks_are_cut_to_whole_pixels_first(self) -> None:
        # The nose at 220 and the chin at 320: 100 above the nose is 120. Uncut the upper edge would be 119.
        assert face_bounds(landmarks(nose=220.2, below=100.7), RULES) == FACE
        assert face_bounds(landmarks(x=300.9, width=160), RULES) == Bounds(220, 120, 380, 330)

    def test_the_margin_is_the_callers(self) -> None:
        assert face_bounds(landmarks(), replace(RULES, extra_margin=0)) == Bounds(220, 120, 380, 320)
        assert face_bounds(landmarks(), replace(RULES, extra_margin=25)) == Bounds(220, 120, 380, 345)

    def test_the_margin_ends_at_the_frame(self) -> None:
        assert face_bounds(landmarks(nose=375), RULES) == Bounds(220, 275, 380, 480)
        assert face_bounds(landmarks(nose=420), RULES) == Bounds(220, 320, 380, 480)

    def test_the_upper_edge_is_the_frames_at_least(self) -> None:
        assert face_bounds(landmarks(nose=70), RULES) == Bounds(220, 0, 380, 180)

    def test_a_face_may_leave_the_frame_at_either_side(self) -> None:
        assert face_bounds(landmarks(x=40), RULES) == Bounds(-40, 120, 120, 330)
        assert face_bounds(landmarks(x=620), RULES) == Bounds(540, 120, 700, 330)

    @pytest.mark.parametrize(
        "points",
        [
            np.full((68, 2), 200.0),
            landmarks(width=0.5),
            landmarks(below=0.4),
            landmarks(x=-90),
            landmarks(x=800),
            landmarks(nose=600),
            landmarks(nose=-150),
        ],
        ids=["a point", "no width", "no height", "left", "right", "below", "above"],
    )
    def test_no_box_is_no_face(self, points: Points) -> None:
        assert face_bounds(points, RULES) is None

    def test_a_nose_below_the_chin_is_no_face(self) -> None:
        points = landmarks()
        points[29, 1] = points[:, 1].max()
        assert face_bounds(points, RULES) is None


class TestCutting:
    PICTURE = np.arange(1, 5 * 7 * 3 + 1, dtype=np.uint8).reshape(5, 7, 3)

    def test_inside(self) -> None:
        assert np.array_equal(Bounds(2, 1, 6, 4).cut(self.PICTURE), self.PICTURE[1:4, 2:6])

    @pytest.mark.parametrize(
        "box",
        [Bounds(-2, -3, 3, 2), Bounds(5, 3, 9, 8), Bounds(-1, -1, 8, 6), Bounds(-4, 1, -1, 3), Bounds(2, 9, 4, 12)],
    )
    def test_beyond_the_picture_it_is_black(self, box: Bounds) -> None:
        part = box.cut(self.PICTURE)
        assert part.shape == (box.height, box.width, 3)
        for y in range(box.height):
            for x in range(box.width):
                row, column = box.top + y, box.left + x
                inside = 0 <= row < 5 and 0 <= column < 7
                assert part[y, x].tolist() == (self.PICTURE[row, column].tolist() if inside else [0, 0, 0])

    def test_it_is_a_copy(self) -> None:
        picture = np.zeros((4, 4), np.uint8)
        Bounds(0, 0, 2, 2).cut(picture)[...] = 9
        assert not picture.any()

    def test_moved(self) -> None:
        assert Bounds(1, 2, 4, 8).moved(10, -5) == Bounds(11, -3, 14, 3)


class TestAlongAClip:
    def test_without_smoothing_every_frame_stands_alone(self) -> None:
        generator = np.random.default_rng(2)
        seen: list[Points | None] = [landmarks(300 + float(generator.normal(0, 4))) for _ in range(20)]
        seen[7] = None
        path = bounds_path(seen, steady(20), ALONE)
        assert path.bounds == tuple(None if points is None else face_bounds(points, ALONE) for points in seen)
        assert path.bounds[7] is None

    def test_a_still_face_keeps_its_box(self) -> None:
        assert bounds_path([landmarks()] * 30, steady(30), RULES).bounds == (FACE,) * 30

    def test_noise_is_calmed(self) -> None:
        generator = np.random.default_rng(4)
        seen = [landmarks(*(np.array((300, 220, 160, 100)) + generator.normal(0, 3, 4)).tolist()) for _ in range(150)]
        rough, smooth = bounds_path(seen, steady(150), ALONE), bounds_path(seen, steady(150), RULES)
        for edge in ("left", "top", "right", "bottom"):
            assert np.abs(np.diff(bars(smooth, edge))).mean() < np.abs(np.diff(bars(rough, edge))).mean() / 3
            assert abs(bars(smooth, edge).mean() - bars(rough, edge).mean()) < 1

    def test_a_moving_face_is_followed_without_lag(self) -> None:
        seen = [landmarks(x=150 + 3 * frame, nose=180 + frame) for frame in range(100)]
        path = bounds_path(seen, steady(100), RULES)
        for frame in range(15, 85):
            box = path.bounds[frame]
            assert box
            assert abs(box.left - (70 + 3 * frame)) <= 1
            assert abs(box.top - (80 + frame)) <= 1

    def test_a_face_that_sets_off_is_not_followed_late(self) -> None:
        """Smoothing looks both ways: what moves a box late at one end would move it early at the other."""
        xs = np.concatenate((np.full(40, 200.0), np.linspace(200, 300, 21), np.full(40, 300.0)))
        there = bars(bounds_path([landmarks(float(x)) for x in xs], steady(101), RULES), "left")
        back = bars(bounds_path([landmarks(float(x)) for x in xs[::-1]], steady(101), RULES), "left")
        assert np.array_equal(there, back[::-1])
        assert abs(there[50] - (xs[50] - 80)) <= 1

    def test_one_wild_frame_moves_nothing(self) -> None:
        seen = [landmarks()] * 31
        seen[15] = landmarks(x=318, width=200)
        assert bounds_path(seen, steady(31), RULES).bounds == (FACE,) * 31

    def test_the_jaw_of_a_speaker_does_not_pump_the_box(self) -> None:
        seen = [landmarks(below=100 + 8 * np.sin(frame * 2 * np.pi / 5)) for frame in range(100)]
        bottoms = bars(bounds_path(seen, steady(100), RULES), "bottom")[10:-10]
        assert np.ptp(bottoms) <= 3
        assert np.ptp(bars(bounds_path(seen, steady(100), ALONE), "bottom")) >= 14

    def test_nothing_is_smoothed_across_a_cut(self) -> None:
        seen = [landmarks(x=300)] * 20 + [landmarks(x=312)] * 20
        cuts = [frame == 20 for frame in range(40)]
        path = bounds_path(seen, cuts, RULES)
        assert path.bounds == (FACE,) * 20 + (FACE.moved(12, 0),) * 20
        assert bounds_path(seen, steady(40), RULES).bounds[19] != FACE

    def test_nothing_is_smoothed_across_a_jump(self) -> None:
        seen = [landmarks(x=200)] * 20 + [landmarks(x=450)] * 20
        lefts = bars(bounds_path(seen, steady(40), RULES), "left")
        assert lefts.tolist() == [120.0] * 20 + [370.0] * 20

    def test_nothing_is_smoothed_across_a_gap(self) -> None:
        seen: list[Points | None] = [landmarks(x=300)] * 20
        seen += [None] * 6
        seen += [landmarks(x=312)] * 20
        path = bounds_path(seen, steady(46), RULES)
        assert path.bounds == (FACE,) * 20 + (None,) * 6 + (FACE.moved(12, 0),) * 20

    def test_a_short_gap_is_a_miss(self) -> None:
        seen: list[Points | None] = [landmarks(x=200 + 2 * frame) for frame in range(60)]
        seen[30:33] = [None] * 3
        path = bounds_path(seen, steady(60), RULES)
        assert path.share == 1
        assert [abs(float(left) - (120 + 2 * frame)) <= 1 for frame, left in enumerate(bars(path, "left"))][10:50] == [
            True
        ] * 40

    def test_a_box_that_is_none_counts_as_a_miss(self) -> None:
        seen = [landmarks()] * 30
        seen[12] = landmarks(below=0.2)
        assert bounds_path(seen, steady(30), RULES).bounds == (FACE,) * 30
        assert bounds_path(seen, steady(30), ALONE).bounds[12] is None

    def test_a_clip_without_a_face(self) -> None:
        path = bounds_path([None] * 4, steady(4), RULES)
        assert path.bounds == (None,) * 4
        assert path.share == 0
        assert path.faceless() == (Take(0, 4),)

    def test_a_single_picture(self) -> None:
        assert bounds_path([landmarks()], [False], RULES).bounds == (FACE,)

    def test_the_frames_without_a_face_are_told(self) -> None:
        seen: list[Points | None] = [None, landmarks(), landmarks(), None, None, landmarks(), None]
        path = bounds_path(seen, steady(7), ALONE)
        assert path.faceless() == (Take(0, 1), Take(3, 5), Take(6, 7))
        assert path.share == pytest.approx(3 / 7)
