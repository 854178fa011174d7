"""Pieces: all sound, all words, each word with its sound."""

from __future__ import annotations

import numpy as np
import pytest

from engine.speech.pieces import PieceStream
from engine.speech.voice import Word

SECOND = np.ones(24_000, np.int16)


def test_words_wait_until_their_sound_is_there() -> None:
    stream = PieceStream(24_000)
    early, late = Word("a", 0, 0.5), Word("b", 0.9, 1.4)
    (first,) = stream.push(SECOND, (early, late))
    (second,) = stream.push(SECOND)
    assert (first.words, second.words) == ((early,), (late,))
    assert stream.seconds == 2.0


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_the_last_piece_carries_what_is_left_cut_to_the_end(rate: int) -> None:
    stream = PieceStream(rate)
    pushed = list(stream.push(np.ones(rate, np.int16), (Word("a", 0.5, 1.5), Word("b", 1.5, 2.0))))
    (rest,) = stream.finish()
    assert rest.words == (Word("a", 0.5, 1.0), Word("b", 1.0, 1.0))
    assert sum(piece.samples.size for piece in [*pushed, rest]) == 48_000


def test_a_single_sample_is_played() -> None:
    stream = PieceStream(24_000)
    assert list(stream.push(np.ones(1, np.int16), (Word("a", 0, 1),))) == []
    (piece,) = stream.finish()
    assert piece.samples.size == 2
    assert piece.words == (Word("a", 0, 1 / 24_000),)


def test_nothing_in_is_nothing_out() -> None:
    assert list(PieceStream(24_000).finish()) == []
