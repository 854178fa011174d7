"""Pieces: all sound, all words, and no word without sound."""

from __future__ import annotations

import numpy as np

from engine.speech.pieces import PieceStream
from engine.speech.voice import Word


def test_words_wait_until_there_is_sound() -> None:
    stream = PieceStream(24_000)
    early, late = Word("a", 0, 0.00005), Word("b", 0.1, 0.2)
    assert list(stream.push(np.ones(1, np.int16), (early,))) == []
    (piece,) = stream.push(np.ones(12_000, np.int16), (late,))
    assert piece.words == (early, late)
    (rest,) = stream.finish()
    assert rest.words == ()
    assert piece.samples.size + rest.samples.size == 24_002
    assert stream.seconds == 12_001 / 24_000


def test_nothing_in_is_nothing_out() -> None:
    assert list(PieceStream(24_000).finish()) == []
