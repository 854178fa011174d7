"""What the bench has spoken."""

from __future__ import annotations

import base64
import io

import av
import pytest

from bench.passage import CHARACTERS_A_SECOND, PASSAGE, text_of
from bench.recording import mp3_base64


def test_the_shortest_text_is_one_sentence() -> None:
    assert text_of(0) == PASSAGE[0]


@pytest.mark.parametrize("seconds", [20, 600])
def test_a_text_is_as_long_as_wanted_give_or_take_a_sentence(seconds: float) -> None:
    more = len(text_of(seconds)) - seconds * CHARACTERS_A_SECOND
    assert -1 <= more < max(map(len, PASSAGE))
    assert text_of(seconds).startswith(PASSAGE[0])


def test_a_recording_is_an_mp3_of_that_length() -> None:
    with av.open(io.BytesIO(base64.b64decode(mp3_base64(3))), "r") as file:
        assert file.format.name == "mp3"
        samples = sum(frame.samples for frame in file.decode(audio=0))
    assert 3 <= samples / 48_000 < 3.1
