from __future__ import annotations

from collections.abc import Sequence

from engine.lipsync.face_box import BoundsPath, BoxRules, Points, bounds_path
from engine.lipsync.musetalk_report import musetalk_warnings
from tests.lipsync.tiny_musetalk import points

SIZE = (1000, 800)


def warned(told: Sequence[Points | None]) -> list[str]:
    return list(musetalk_warnings(path(told), told, SIZE))


def path(told: Sequence[Points | None]) -> BoundsPath:
    return bounds_path(told, [False] * len(told), BoxRules(*SIZE, smooth=False))


def face(width: float = 200, below: float = 120, x: float = 500, nose: float = 400, tip: float | None = None) -> Points:
    return points(x, nose, width, below, tip)


def test_a_face_that_is_just_right_needs_no_warning() -> None:
    assert warned([face()] * 3) == []


def test_a_face_larger_than_twice_the_networks_is_warned_of() -> None:
    assert warned([face(512)]) == []
    (warning,) = warned([face(513)])
    assert "513 pixels" in warning
    assert "514 pixels" in warned([face(below=252)])[0]


def test_a_small_face_is_warned_of() -> None:
    assert warned([face(64)]) == []
    (warning,) = warned([face(63)])
    assert "63 pixels wide" in warning


def test_a_face_at_the_edge_is_warned_of_with_the_seconds() -> None:
    for beyond in (face(x=99), face(x=901), face(nose=680)):
        (warning,) = warned([beyond, beyond, *[face()] * 5])
        assert "edge at 0.0-0.1 s" in warning


def test_a_face_turned_aside_is_warned_of_with_the_seconds() -> None:
    for tip, aside in ((431, False), (429, True), (569, False), (571, True)):
        warnings = warned([*[face()] * 5, face(tip=tip)])
        assert bool(warnings) is aside
        assert all("aside at 0.2-0.2 s" in warning for warning in warnings)


def test_frames_without_a_face_are_told() -> None:
    (warning,) = warned([*[face()] * 5, *[None] * 5])
    assert "No face at 0.2-0.4 s" in warning


def test_of_many_times_only_the_first_are_named() -> None:
    (warning,) = warned([face(tip=420), face()] * 7)
    assert warning.count(" s,") == 4
    assert " s and later:" in warning
