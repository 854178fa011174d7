"""A voice's own samples, as it makes them, into the pieces that are played."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.speech.resample import Upsampler
from engine.speech.voice import Samples, SpeechPiece, Word


class PieceStream:
    """Brings samples of one rate to 48 kHz, and gives each word as soon as all of its sound is there.

    Words whose times lie beyond the end of the sound are given with its last piece, cut to its end.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._upsampler = Upsampler(rate)
        self._taken = 0
        self._words: list[Word] = []
        self._held: Samples = np.zeros(0, np.int16)

    @property
    def seconds(self) -> float:
        """How much sound has been pushed."""
        return self._taken / self._rate

    def push(self, samples: Samples, words: tuple[Word, ...] = ()) -> Iterator[SpeechPiece]:
        """The next stretch of sound, and the next words in the order of their times."""
        self._taken += samples.size
        self._words += words
        played = np.concatenate([self._held, self._upsampler.push(samples)])
        # One sample always stays behind, so that the last words have a piece to go with.
        self._held = played[-1:]
        if played.size > 1:
            yield SpeechPiece(played[:-1], self._heard_words())

    def end_words(self) -> None:
        """Cut the words that last longer than the sound so far to its end: what comes next is not theirs."""
        end = self.seconds
        self._words = [Word(word.text, min(word.start, end), min(word.end, end)) for word in self._words]

    def finish(self) -> Iterator[SpeechPiece]:
        """The rest, when the sound has ended."""
        self.end_words()
        played = np.concatenate([self._held, self._upsampler.finish()])
        if played.size:
            yield SpeechPiece(played, tuple(self._words))

    def _heard_words(self) -> tuple[Word, ...]:
        count = next((index for index, word in enumerate(self._words) if word.end > self.seconds), len(self._words))
        heard, self._words = tuple(self._words[:count]), self._words[count:]
        return heard
