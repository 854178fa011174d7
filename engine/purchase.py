"""Speech being bought: in a thread of its own at the voice's pace, into a file that is read behind the writer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import copy_context
from pathlib import Path

import numpy as np

from engine.cancel import CancelToken
from engine.errors import EngineError
from engine.speech.recorded import PIECE_SAMPLES
from engine.speech.voice import SpeechPiece, Word
from engine.video.output import disk_errors

Keep = Callable[[tuple[Word, ...]], None]
"""Told the words once the whole sound lies in the file."""


class Purchase:
    """One utterance on its way into ``file``: raw int16, mono, 48 kHz, the machine's byte order."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = threading.Condition()
        self._samples = 0
        self._words: tuple[Word, ...] = ()
        self._ended = False
        self.whole = False

    def make(self, bought: Generator[SpeechPiece, None, None], keep: Keep) -> None:
        """Write all pieces as they come, then ``keep`` them. Raises what either raises, and StorageFull."""
        try:
            with disk_errors(), closing(bought), self._file.open("wb") as target:
                for piece in bought:
                    target.write(piece.samples.tobytes())
                    target.flush()
                    self._tell(piece)
            self.whole = True
        finally:
            self._tell_end()
        keep(self._words)

    def wait(self, read: int) -> tuple[int, tuple[Word, ...]]:
        """How many samples lie in the file, and the words so far: once there are more than ``read``, or no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._samples > read or self._ended)
            return self._samples, self._words

    def pieces(self, making: Future[None]) -> Generator[SpeechPiece, None, None]:
        """The sound from its beginning, each word with or before its sound; at the end the error of ``making``."""
        read, told = 0, 0
        with self._file.open("rb") as source:
            while True:
                samples, words = self.wait(read)
                if samples == read:
                    break
                block = np.frombuffer(source.read(2 * min(PIECE_SAMPLES, samples - read)), np.int16)
                yield SpeechPiece(block, words[told:])
                read, told = read + block.size, len(words)
        if not self.whole:
            making.result()

    def _tell(self, piece: SpeechPiece) -> None:
        with self._changed:
            self._samples += piece.samples.size
            self._words += piece.words
            self._changed.notify_all()

    def _tell_end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextmanager
def buying(
    bought: Generator[SpeechPiece, None, None], file: Path, keep: Keep, stop: CancelToken
) -> Iterator[Generator[SpeechPiece, None, None]]:
    """Buy while the block lasts; yields the pieces as soon as the first is there. ``stop`` ends ``bought``.

    Leaving the block waits for the thread. A block that fails with a retryable error lets the purchase go on to its
    end and be kept; one that fails otherwise, or leaves before the sound is whole, stops it. What goes wrong before the
    first piece is raised here, later by the pieces, and while keeping at the end of a block that ends well.
    """
    purchase = Purchase(file)
    with ThreadPoolExecutor(1, thread_name_prefix="purchase") as thread:
        making = thread.submit(copy_context().run, purchase.make, bought, keep)
        try:
            samples, _ = purchase.wait(0)
            if not samples:
                making.result()
            yield purchase.pieces(making)
        except BaseException as error:
            if not (isinstance(error, EngineError) and error.retryable):
                stop.cancel()
            raise
        if purchase.whole:
            making.result()
        else:
            stop.cancel()
