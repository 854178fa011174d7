from __future__ import annotations

import numpy as np

from engine.lipsync.shots import ShotChanges, thumbnail
from engine.video.i420 import Bytes


def looked(frames: list[Bytes]) -> tuple[list[bool], tuple[bool, ...]]:
    """What is said of each frame at once, and in the end."""
    shots = ShotChanges()
    return [shots.look(thumbnail(frame)) for frame in frames], shots.cuts()


def textured(seed: int, shift: int = 0) -> Bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8), np.uint8)
    return np.roll(np.kron(coarse, np.ones((20, 20), np.uint8)), shift, 1)


def test_a_cut_is_seen_at_once_and_in_hindsight() -> None:
    at_once, cuts = looked([textured(1)] * 6 + [textured(2)] * 6)
    assert at_once == list(cuts) == [index == 6 for index in range(12)]


def test_a_moving_camera_cuts_nothing() -> None:
    at_once, cuts = looked([textured(1, 3 * index) for index in range(12)])
    assert not any(cuts)
    assert not any(at_once[2:])


def test_a_cut_within_movement_is_seen() -> None:
    frames = [textured(1, index) for index in range(8)] + [textured(2, index) for index in range(8)]
    assert [index for index, cut in enumerate(looked(frames)[1]) if cut] == [8]


def test_nothing_is_cut_where_there_is_nothing() -> None:
    assert ShotChanges().cuts() == ()
    assert looked([textured(1)]) == ([False], (False,))
