"""A voice that says when its first sample came, and one that speaks no faster than people do."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.speech.voice import Samples, SpeechPiece, SpeechRequest, Utterance, Voice
from engine.timebase import PLAYED_RATE

PACED_SAMPLES = PLAYED_RATE // 10


@dataclass
class TimedVoice:
    """Speaks with ``voice``. ``first_sample``: when the last utterance's first sound was there, by perf_counter.

    ``paced``: a second of sound comes a second later than the one before it, in pieces of 0.1 s.
    """

    voice: Voice
    paced: bool = False
    first_sample: float = field(default=0.0, init=False)

    @property
    def paid(self) -> bool:
        return self.voice.paid

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        utterance = self.voice.speak(request, cancel)
        pieces = _paced(utterance.pieces) if self.paced else utterance.pieces
        return replace(utterance, pieces=self._timed(pieces))

    def _timed(self, pieces: Generator[SpeechPiece, None, None]) -> Generator[SpeechPiece, None, None]:
        for number, piece in enumerate(pieces):
            if number == 0:
                self.first_sample = time.perf_counter()
            yield piece


def with_voice(engine: Engine, voice: Voice) -> Engine:
    """The engine with another voice."""
    sounds = replace(engine.generation.sounds, voice=voice)
    return replace(engine, generation=replace(engine.generation, sounds=sounds))


def _paced(pieces: Generator[SpeechPiece, None, None]) -> Generator[SpeechPiece, None, None]:
    began: float | None = None
    spoken = 0
    for piece in pieces:
        # The clock starts with the sound: what the voice takes to begin is not the viewer's.
        began = time.perf_counter() if began is None else began
        for samples in _cut(piece.samples):
            time.sleep(max(0.0, began + spoken / PLAYED_RATE - time.perf_counter()))
            yield SpeechPiece(samples)
            spoken += len(samples)


def _cut(samples: Samples) -> Generator[Samples, None, None]:
    for start in range(0, len(samples), PACED_SAMPLES):
        yield samples[start : start + PACED_SAMPLES]
