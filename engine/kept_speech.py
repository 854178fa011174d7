"""Bought speech, kept in the store from when it is whole until the job is done: a retry never buys it twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, Field

from engine.cancel import CancelToken
from engine.errors import RecordDamaged
from engine.purchase import buying
from engine.reading import read_as
from engine.speech.recorded import read_pieces
from engine.speech.voice import SpeechPiece, Utterance, Word
from engine.store.protocol import ObjectStore

SAMPLE_BYTES = 2

log = logging.getLogger(__name__)


class KeptWord(BaseModel):
    """A word with its times in seconds."""

    text: str
    start: float = Field(ge=0, allow_inf_nan=False)
    end: float = Field(ge=0, allow_inf_nan=False)


class SpeechNote(BaseModel):
    """What is known of kept speech beside its samples; written after them."""

    voice_used: str
    characters: int
    words: list[KeptWord]


@dataclass(frozen=True)
class KeptSpeech:
    """Speech under ``folder`` of the store: sound.pcm (int16, mono, 48 kHz) and note.json."""

    store: ObjectStore
    folder: str

    @contextmanager
    def recall_or_buy(
        self, buy: Callable[[CancelToken], Utterance], scratch: Path, cancel: CancelToken
    ) -> Iterator[Utterance]:
        """The speech as it lies in the store, or bought while its pieces are already heard.

        ``buy`` is given the token that stops the purchase, which is set with ``cancel`` too. The speech is stored as
        soon as its last piece has come, however slowly the pieces are taken; ``engine.purchase.buying`` says what
        becomes of it when the block ends before, and where errors come out.
        """
        file = scratch / "speech.pcm"
        note = self._recall(file)
        if note is not None:
            yield Utterance(note.voice_used, note.characters, _with_words(file, note.words))
            return
        stop = CancelToken(within=cancel)
        utterance = buy(stop)
        with buying(utterance.pieces, file, lambda words: self._keep(utterance, file, words), stop) as pieces:
            yield replace(utterance, pieces=pieces)

    def forget(self) -> None:
        """Remove the speech: its job is done, or will never be tried again."""
        self.store.delete(self._note_key)
        self.store.delete(self._sound_key)

    @property
    def _sound_key(self) -> str:
        return f"{self.folder}/sound.pcm"

    @property
    def _note_key(self) -> str:
        return f"{self.folder}/note.json"

    def _recall(self, file: Path) -> SpeechNote | None:
        """The note, with the sound in ``file``; None where nothing is kept, or what is can't be read."""
        found = self.store.get(self._note_key)
        if found is None or self.store.download(self._sound_key, file) is None:
            return None
        try:
            note = read_as(SpeechNote, found)
        except RecordDamaged as error:
            log.error("Speech is bought again: %s", error.message)
            return None
        if file.stat().st_size % SAMPLE_BYTES:
            log.error("Speech is bought again: %s holds half a sample.", self._sound_key)
            return None
        return note

    def _keep(self, utterance: Utterance, file: Path, words: tuple[Word, ...]) -> None:
        kept = [KeptWord(text=word.text, start=word.start, end=word.end) for word in words]
        note = SpeechNote(voice_used=utterance.voice_used, characters=utterance.characters, words=kept)
        with file.open("rb") as source:
            self.store.upload(self._sound_key, source)
        self.store.put(self._note_key, note.model_dump_json().encode(), "application/json")


def _with_words(file: Path, kept: list[KeptWord]) -> Generator[SpeechPiece, None, None]:
    words = tuple(Word(word.text, word.start, word.end) for word in kept)
    for number, piece in enumerate(read_pieces(file)):
        yield SpeechPiece(piece.samples, words if number == 0 else ())
