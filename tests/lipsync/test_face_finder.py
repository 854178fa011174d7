from __future__ import annotations

import numpy as np
import pytest

from engine.lipsync.face_finder import FaceFinder
from tests.lipsync.portraits import grace, plain, shifted, smiling


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_finds_the_face_from_brow_to_chin(finder: FaceFinder) -> None:
    finder.lose()
    face = finder.look(grace().y).face
    assert face is not None
    assert face.centre == pytest.approx((267, 230), abs=16)
    assert face.side == pytest.approx(210, abs=20)


def test_finds_a_small_face_among_other_things(finder: FaceFinder) -> None:
    finder.lose()
    seen = finder.look(smiling().y)
    assert seen.face is not None
    assert seen.face.centre == pytest.approx((223, 115), abs=10)
    assert seen.faces == 1


def test_follows_a_face_that_moves(finder: FaceFinder) -> None:
    finder.lose()
    places = [finder.look(shifted(grace(), 6 * step, 0).y).face for step in range(8)]
    lefts = [face.centre[0] for face in places if face]
    assert len(lefts) == 8
    assert np.diff(lefts).mean() == pytest.approx(6, abs=1.5)


def test_sees_that_the_face_has_left_and_finds_it_again_elsewhere(finder: FaceFinder) -> None:
    finder.lose()
    here = finder.look(grace().y).face
    nothing = finder.look(plain(grace()).y)
    there = finder.look(shifted(grace(), -100, 60).y).face
    assert nothing.face is None
    assert nothing.faces == 0
    assert here is not None
    assert there is not None
    assert there.centre[0] - here.centre[0] == pytest.approx(-100, abs=12)
    assert there.centre[1] - here.centre[1] == pytest.approx(60, abs=12)


def test_noise_is_no_face(finder: FaceFinder) -> None:
    finder.lose()
    noise = np.random.default_rng(7).integers(16, 236, (240, 320)).astype(np.uint8)
    assert finder.look(noise).face is None


def test_counts_two_faces_of_about_one_size(finder: FaceFinder) -> None:
    finder.lose()
    face = smiling().y[30:230, 120:340]
    seen = finder.look(np.ascontiguousarray(np.hstack([face, face[:, ::-1]])))
    assert seen.faces == 2
