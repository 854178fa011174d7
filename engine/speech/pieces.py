"""A voice's own samples, as it makes them, into the pieces that are played."""

from __future__ import annotations

from collections.abc import Iterator

from engine.speech.resample import Upsampler
from engine.speech.voice import Samples, SpeechPiece, Word


class PieceStream:
    """Brings samples of one rate to 48 kHz and gives each word along with sound, never alone."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._upsampler = Upsampler(rate)
        self._taken = 0
        self._words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        """How much sound has been pushed."""
        return self._taken / self._rate

    def push(self, samples: Samples, words: tuple[Word, ...] = ()) -> Iterator[SpeechPiece]:
        """The next stretch of sound, with the words that are decided now."""
        self._taken += samples.size
        self._words += words
        yield from self._piece(self._upsampler.push(samples))

    def finish(self) -> Iterator[SpeechPiece]:
        """The rest, when the sound has ended."""
        yield from self._piece(self._upsampler.finish())

    def _piece(self, played: Samples) -> Iterator[SpeechPiece]:
        if played.size:
            words, self._words = self._words, ()
            yield SpeechPiece(played, words)
