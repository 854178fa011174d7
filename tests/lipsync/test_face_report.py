"""What people are told of a clip's face."""

from __future__ import annotations

import pytest

from engine.errors import NoFace
from engine.lipsync.face_path import Take
from engine.lipsync.face_report import demand_face


@pytest.mark.parametrize(
    ("frames", "faceless", "told"),
    [
        (1, 1, "The picture shows no face"),
        (10, 10, "The video shows no face"),
        (20, 15, "Only 25 % of the video"),
    ],
)
def test_a_clip_without_a_face_is_refused_in_words_that_fit_it(frames: int, faceless: int, told: str) -> None:
    with pytest.raises(NoFace, match=told):
        demand_face(frames, [Take(0, faceless)])


def test_half_a_clip_with_a_face_is_enough() -> None:
    demand_face(10, [Take(0, 5)])
