from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.lipsync.mouth_warp import Lips, Mouth, Warp, warp
from engine.lipsync.options import PreparationOptions
from engine.lipsync.preview import MOUTH, PreviewLipSync
from engine.lipsync.preview_box import FADE, mouth_box
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.lipsync.renderer import FaceTrack, Shot
from engine.video.i420 import I420, Box
from tests.lipsync.portraits import Frames, grace, smiling


@pytest.fixture(scope="module")
def track() -> FaceTrack:
    return PreviewPreparer().prepare(Frames([grace()]), PreparationOptions(), lambda share: None, CancelToken())


def box_of(track: FaceTrack) -> Box:
    box = track.box(0)
    assert box is not None
    return box


def drawn_together(shots: list[Shot]) -> list[I420]:
    return [finish() for finish in PreviewLipSync().begin(shots).wait()]


def drawn(track: FaceTrack, opening: float, width: float, frame: I420 | None = None) -> I420:
    shot = Shot(frame or grace(), 0, track, np.array([opening, width], np.float32))
    return drawn_together([shot])[0]


def dark_below_line(track: FaceTrack, picture: I420) -> NDArray[np.bool_]:
    """Which pixels of the mouth's middle columns are darker than lips ever are."""
    box, mouth = box_of(track), track.data[MOUTH][0]
    x, y = int(mouth[0]) - box.left, int(mouth[1]) - box.top
    return np.asarray(picture.y[y - 20 : y + 40, x - 5 : x + 5] < 55)


def test_a_resting_mouth_is_the_frame_byte_for_byte(track: FaceTrack) -> None:
    assert np.array_equal(drawn(track, 0, 0).packed, grace().crop(box_of(track)).packed)


def test_the_frame_itself_is_left_alone(track: FaceTrack) -> None:
    before = grace().packed.copy()
    drawn(track, 0.8, -0.5)
    assert np.array_equal(grace().packed, before)


def test_the_aperture_grows_with_the_opening(track: FaceTrack) -> None:
    heights = [int(dark_below_line(track, drawn(track, opening, -0.95)).sum()) for opening in (0.0, 0.3, 0.6, 1.0)]
    assert heights[0] < 10
    assert heights[1] > 30
    assert heights == sorted(set(heights))


def test_a_beginning_movement_begins_small(track: FaceTrack) -> None:
    rest = grace().crop(box_of(track)).packed.astype(int)
    changes = [float(np.abs(drawn(track, o, 0).packed - rest).mean()) for o in (0.01, 0.03, 0.1, 0.5)]
    assert changes == sorted(changes)
    assert changes[0] < 0.25


@pytest.mark.parametrize(("opening", "width"), [(1.0, 0.0), (1.0, -1.0), (0.5, 1.0), (0.0, -1.0), (0.0, 1.0)])
def test_nothing_moves_where_the_mask_fades(track: FaceTrack, opening: float, width: float) -> None:
    rest, moved = grace().crop(box_of(track)), drawn(track, opening, width)
    faded = track.mask(0) < 255
    assert np.array_equal(moved.y[faded], rest.y[faded])
    for plane, still in ((moved.u, rest.u), (moved.v, rest.v)):
        assert np.array_equal(plane[faded[::2, ::2]], still[faded[::2, ::2]])


def test_width_narrows_and_widens(track: FaceTrack) -> None:
    spans = []
    for width in (-1.0, 0.0, 1.0):
        picture = drawn(track, 0.6, width)
        rest = drawn(track, 0.0, width)
        spans.append(int((np.abs(picture.y.astype(int) - rest.y).max(axis=0) > 60).sum()))
    assert spans[0] < spans[1] < spans[2]


def test_teeth_show_between_spread_lips_and_not_between_rounded_ones(track: FaceTrack) -> None:
    box, mouth = box_of(track), track.data[MOUTH][0]
    x, y = int(mouth[0]) - box.left, int(mouth[1]) - box.top
    spread, rounded = (drawn(track, 0.9, width).y[y - 2 : y + 2, x + 3 : x + 8].mean() for width in (0.3, -1.0))
    assert spread > rounded + 40


def test_an_open_mouth_shows_the_dark_seam_of_the_lips_no_more(track: FaceTrack) -> None:
    """Below the aperture the lip's own lightness begins: no second dark line follows within its upper half."""
    box, mouth = box_of(track), track.data[MOUTH][0]
    x, y, half = int(mouth[0]) - box.left, int(mouth[1]) - box.top, float(mouth[2])
    column = drawn(track, 1.0, 0).y[y : y + int(0.9 * half), x - 4 : x + 4].mean(axis=1)
    edge = int(np.flatnonzero(column < 55).max())
    lip = column[edge + 3 : edge + 3 + int(0.12 * half)]
    assert lip.min() > 90


def test_a_smiles_own_teeth_stay_where_they_are() -> None:
    frames = Frames([smiling(2.0)])
    track = PreviewPreparer().prepare(frames, PreparationOptions(), lambda share: None, CancelToken())
    box, mouth = box_of(track), track.data[MOUTH][0]
    x, y, half = int(mouth[0]) - box.left, int(mouth[1]) - box.top, float(mouth[2])
    teeth = (slice(y - int(0.25 * half), y - int(0.12 * half)), slice(x - 8, x + 8))
    moved = drawn(track, 0.8, 0, smiling(2.0))
    assert np.array_equal(moved.y[teeth], smiling(2.0).crop(box).y[teeth])
    assert moved.y[y + int(0.15 * half), x - 5 : x + 5].max() < 80


def test_drawing_is_deterministic_and_in_order(track: FaceTrack) -> None:
    shots = [Shot(grace(), 0, track, np.array([o, 0.2], np.float32)) for o in (0.1, 0.9)]
    once, again = drawn_together(shots), drawn_together(shots[::-1])[::-1]
    assert all(np.array_equal(a.packed, b.packed) for a, b in zip(once, again, strict=True))


def test_a_frame_without_a_box_is_refused(track: FaceTrack) -> None:
    faceless = FaceTrack(track.boxes, np.array([-1], np.int32), track.masks, track.data, track.face)
    with pytest.raises(ValueError, match="no box"):
        drawn(faceless, 0.5, 0)


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.25])
@pytest.mark.parametrize("bow", [-0.3, 0.0, 0.2])
@pytest.mark.parametrize(("opening", "width"), [(1.0, 0.0), (1.0, -1.0), (1.0, 1.0), (0.3, -0.6)])
def test_the_movement_never_folds_and_ends_before_the_mask_fades(
    slope: float, bow: float, opening: float, width: float
) -> None:
    mouth = Mouth(x=300.3, y=280.7, half=40, chin=60, slope=slope, bow=bow, teeth=0)
    box = mouth_box(mouth, 640, 640)
    shape = warp(mouth, Lips(opening, width), box)
    x, y = np.meshgrid(np.arange(box.width), np.arange(box.height))
    still = np.ones((box.height, box.width), bool)
    still[FADE:-FADE, FADE:-FADE] = False
    assert np.abs(shape.map_x - x)[still].max() < 0.02
    assert np.abs(shape.map_y - y)[still].max() < 0.02
    for side in (shape.below > shape.bottom, shape.below < -shape.top):
        assert areas(shape)[side[:-1, :-1] & side[1:, :-1] & side[:-1, 1:]].min() > 0


def areas(shape: Warp) -> NDArray[np.float32]:
    """How much of the source each pixel shows; negative where the picture is folded over."""
    right_x, right_y = (np.diff(place, axis=1)[:-1] for place in (shape.map_x, shape.map_y))
    down_x, down_y = (np.diff(place, axis=0)[:, :-1] for place in (shape.map_x, shape.map_y))
    return np.asarray(right_x * down_y - right_y * down_x)
