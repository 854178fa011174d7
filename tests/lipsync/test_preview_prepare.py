from __future__ import annotations

import numpy as np
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import NoFace
from engine.lipsync.options import PreparationOptions
from engine.lipsync.preview import MOUTH
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.lipsync.renderer import FaceTrack
from engine.video.i420 import I420, Box
from tests.lipsync.portraits import GRACE_MOUTH, Frames, grace, plain, shifted, smiling

TOP = Box(0, 0, 512, 338)


def prepared(frames: Frames) -> FaceTrack:
    return PreviewPreparer().prepare(frames, PreparationOptions(), lambda share: None, CancelToken())


@pytest.fixture(scope="module")
def moving() -> FaceTrack:
    """Thirty frames: the face sways, and a miss and a cut lie in between."""
    sway = [2 * round(4 * np.sin(index / 5)) for index in range(30)]
    frames = [shifted(grace(), right, 0) for right in sway[:20]]
    frames += [shifted(grace(), right + 90, 20) for right in sway[20:]]
    return prepared(Frames(frames))


def test_boxes_are_even_within_the_frame_and_fit_their_masks(moving: FaceTrack) -> None:
    assert not (moving.boxes % 2).any()
    assert moving.boxes.min() >= 0
    assert moving.boxes[:, 2].max() <= 512
    assert moving.boxes[:, 3].max() <= 600
    for index in range(30):
        box = moving.box(index)
        assert box is not None
        assert moving.mask(index).shape == (box.height, box.width)


def test_few_masks_serve_all_frames_and_fade_to_nothing(moving: FaceTrack) -> None:
    assert len(moving.masks) <= 3
    assert len({mask.tobytes() for mask in moving.masks}) == len(moving.masks)
    for mask in moving.masks:
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()
        assert (mask == 255).mean() > 0.7


def test_the_mouth_stays_on_the_lips_through_movement_and_cut(moving: FaceTrack) -> None:
    sway = np.array([2 * round(4 * np.sin(index / 5)) for index in range(30)])
    wanted = np.column_stack([GRACE_MOUTH[0] + sway, np.full(30, GRACE_MOUTH[1])]).astype(float)
    wanted[20:] += (90, 20)
    off = moving.data[MOUTH][:, :2] - wanted
    assert np.abs(off).max() < 5
    assert off.std(axis=0).max() < 1


def test_every_array_has_a_row_a_frame(moving: FaceTrack) -> None:
    assert moving.boxes.shape == (30, 4)
    assert moving.mask_index.shape == (30,)
    assert {len(array) for array in moving.data.values()} == {30}
    assert moving.face.share_of_frames == 1
    assert moving.face.warnings == ()


def test_a_picture_is_one_frame() -> None:
    track = prepared(Frames([grace()]))
    assert track.box(0) is not None
    assert track.face.width == pytest.approx(212, abs=20)
    place, mouth = track.face.place, track.box(0)
    assert place is not None
    assert mouth is not None
    assert (place.width, place.height) == pytest.approx((track.face.width, track.face.height), abs=1)
    assert (mouth.left + mouth.right) / 2 == pytest.approx(place.left + place.width / 2, abs=0.1 * place.width)
    assert place.top + 0.5 * place.height < (mouth.top + mouth.bottom) / 2 < place.top + place.height


def test_frames_without_a_face_pass_through_and_are_named() -> None:
    track = prepared(Frames([*[grace(0.5)] * 12, *[plain(grace(0.5))] * 8]))
    assert [track.box(index) is None for index in range(20)] == [False] * 12 + [True] * 8
    assert not track.boxes[12:].any()
    assert track.face.share_of_frames == pytest.approx(0.6)
    assert "0.5-0.8 s" in track.face.warnings[0]


def test_too_few_frames_with_a_face_name_the_seconds() -> None:
    nothing = plain(grace(0.5))
    with pytest.raises(NoFace, match=r"0\.0-0\.4 s, 0\.6-0\.8 s"):
        prepared(Frames([*[nothing] * 10, *[grace(0.5)] * 5, *[nothing] * 5]))


def test_a_picture_without_a_face_is_told_so() -> None:
    with pytest.raises(NoFace, match="The picture shows no face"):
        prepared(Frames([plain(grace(0.5))]))


def test_a_small_face_is_warned_of() -> None:
    assert "pixels wide" in prepared(Frames([smiling(0.5)])).face.warnings[0]


def test_a_chin_at_the_frames_edge_leaves_the_mask_open_there() -> None:
    cropped = Frames([grace().crop(TOP)])
    track = prepared(cropped)
    box = track.box(0)
    assert box is not None
    assert box.bottom == TOP.bottom
    assert track.mask(0)[-1].max() == 255
    assert not track.mask(0)[0].any()


def test_walks_twice_tells_progress_and_stops_when_cancelled() -> None:
    frames = Frames([grace(0.5)] * 3)
    told: list[float] = []
    PreviewPreparer().prepare(frames, PreparationOptions(), told.append, CancelToken())
    assert frames.walks == 2
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        PreviewPreparer().prepare(frames, PreparationOptions(), told.append, cancel)


def test_no_option_has_an_effect() -> None:
    assert PreviewPreparer().heeds == frozenset()


def test_two_faces_are_warned_of_and_one_speaks() -> None:
    face = smiling().crop(Box(120, 30, 340, 230))
    pair = I420.blank(440, 200)
    for whole, part in ((pair.y, face.y), (pair.u, face.u), (pair.v, face.v)):
        whole[:] = np.hstack([part, part[:, ::-1]])
    track = prepared(Frames([pair]))
    assert track.box(0) is not None
    assert "More than one face" in track.face.warnings[0]
