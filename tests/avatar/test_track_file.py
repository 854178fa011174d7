"""The track's file: what goes in comes out, and what was tampered with is told from what was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from engine.avatar.track_file import TrackShape, read_track, write_track
from engine.errors import BundleDamaged
from engine.lipsync.renderer import Array, Face, FacePlace, FaceTrack
from engine.video.intra import IntraIndex

FACE = Face(20, 24, 0.75, ("The face is small.",), FacePlace(4, 6, 20, 24))
SHAPE = TrackShape(frames=4, width=64, height=48, stream_bytes=100)
INDEX = IntraIndex(np.array([0, 10, 40, 60, 100], np.int64), 64, 48)

Arrays = dict[str, Array]
Damage = Callable[[Arrays], None]


def track() -> FaceTrack:
    small, large = np.full((4, 6), 255, np.uint8), np.arange(80, dtype=np.uint8).reshape(8, 10)
    return FaceTrack(
        boxes=np.array([[2, 4, 8, 8], [0, 0, 0, 0], [54, 40, 64, 48], [4, 4, 10, 8]], np.int32),
        mask_index=np.array([0, -1, 1, 0], np.int32),
        masks=(small, large),
        data={"mouth": np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2), "count": np.arange(4)},
        face=FACE,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "track.safetensors"
    write_track(path, track(), INDEX)
    return path


def test_what_goes_in_comes_out(file: Path) -> None:
    found, index = read_track(file, SHAPE, FACE)
    expected = track()
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.mask_index, expected.mask_index)
    for got, mask in zip(found.masks, expected.masks, strict=True):
        np.testing.assert_array_equal(got, mask)
    assert set(found.data) == {"mouth", "count"}
    for name, array in expected.data.items():
        np.testing.assert_array_equal(found.data[name], array)
        assert found.data[name].dtype == array.dtype
    assert found.face == FACE
    assert index.offsets.tolist() == INDEX.offsets.tolist()
    assert (index.width, index.height) == (64, 48)


def test_a_track_without_any_face_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "track"
    empty = FaceTrack(np.zeros((4, 4), np.int32), np.full(4, -1, np.int32), (), {}, FACE)
    write_track(path, empty, INDEX)
    found, _ = read_track(path, SHAPE, FACE)
    assert found.masks == ()
    assert found.box(0) is None


DAMAGES: dict[str, Damage] = {
    "no boxes": lambda a: a.__delitem__("boxes"),
    "no offsets": lambda a: a.__delitem__("frame_offsets"),
    "boxes of another type": lambda a: a.update(boxes=a["boxes"].astype(np.int64)),
    "boxes of fewer frames": lambda a: a.update(boxes=a["boxes"][:3].copy()),
    "flat boxes": lambda a: a.update(boxes=a["boxes"].reshape(-1).copy()),
    "box beyond the right edge": lambda a: a["boxes"].__setitem__((2, 2), 66),
    "box above the top": lambda a: a["boxes"].__setitem__((0, 1), -2),
    "box inside out": lambda a: a["boxes"].__setitem__((0, 0), 12),
    "odd box": lambda a: a["boxes"].__setitem__((0, 0), 3),
    "box of another size than its mask": lambda a: a["boxes"].__setitem__((0, 0), 4),
    "box without a face": lambda a: a["boxes"].__setitem__((1, 2), 2),
    "mask that isn't there": lambda a: a["mask_index"].__setitem__(0, 2),
    "mask below -1": lambda a: a["mask_index"].__setitem__(1, -2),
    "huge mask": lambda a: a["mask_shapes"].__setitem__(0, (2**31 - 1, 2**31 - 1)),
    "negative mask": lambda a: a["mask_shapes"].__setitem__(0, (-4, -6)),
    "mask of no pixels": lambda a: a["mask_shapes"].__setitem__(0, (0, 6)),
    "too few mask pixels": lambda a: a.update(mask_pixels=a["mask_pixels"][:-1].copy()),
    "float mask pixels": lambda a: a.update(mask_pixels=a["mask_pixels"].astype(np.float32)),
    "offsets that fall": lambda a: a["frame_offsets"].__setitem__(1, 50),
    "offsets that start late": lambda a: a["frame_offsets"].__setitem__(0, 1),
    "offsets beyond the frames": lambda a: a["frame_offsets"].__setitem__(4, 101),
    "data of fewer frames": lambda a: a.update({"data.mouth": a["data.mouth"][:3].copy()}),
    "data without rows": lambda a: a.update({"data.mouth": np.array(1.0, np.float32)}),
    "data that is no number": lambda a: a["data.mouth"].__setitem__((0, 0), np.nan),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_contradiction_is_damage(file: Path, damage: Damage) -> None:
    arrays: Arrays = {name: array.copy() for name, array in load_file(file).items()}
    damage(arrays)
    save_file(arrays, file)
    with pytest.raises(BundleDamaged):
        read_track(file, SHAPE, FACE)


@pytest.mark.parametrize(
    "body", [b"", b"\0" * 7, b"garbage" * 100, b"\xff" * 64], ids=["empty", "short", "text", "ones"]
)
def test_what_is_no_track_is_damage(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "track"
    path.write_bytes(body)
    with pytest.raises(BundleDamaged):
        read_track(path, SHAPE, FACE)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_byte_brings_anything_but_damage_or_a_track_within_the_frame(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped"
    write_track(path, track(), INDEX)
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(body)
    try:
        found, _ = read_track(path, SHAPE, FACE)
    except BundleDamaged:
        return
    for frame in range(4):
        if (box := found.box(frame)) is not None:
            assert found.mask(frame).shape == (box.height, box.width)
            assert 0 <= box.left < box.right <= 64
            assert 0 <= box.top < box.bottom <= 48
