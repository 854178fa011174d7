"""Bought speech, kept in the store from before the first frame until the job is done: a retry never buys it twice."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from engine.cancel import CancelToken
from engine.speech.recorded import read_pieces
from engine.speech.voice import SpeechPiece, Utterance, Word
from engine.store.protocol import ObjectStore


class KeptWord(BaseModel):
    """A word with its times in seconds."""

    text: str
    start: float
    end: float


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

    def recall_or_buy(self, buy: Callable[[], Utterance], scratch: Path, cancel: CancelToken) -> Utterance:
        """The speech as it lies in the store, or bought now to the last word and stored before it is returned."""
        file = scratch / "speech.pcm"
        note = self._recall(file)
        if note is None:
            note = self._buy(buy(), file, cancel)
        words = tuple(Word(word.text, word.start, word.end) for word in note.words)
        return Utterance(note.voice_used, note.characters, _with_words(file, words))

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
        found = self.store.get(self._note_key)
        if found is None or self.store.download(self._sound_key, file) is None:
            return None
        return SpeechNote.model_validate_json(found.body)

    def _buy(self, utterance: Utterance, file: Path, cancel: CancelToken) -> SpeechNote:
        words: list[KeptWord] = []
        with closing(utterance.pieces) as pieces, file.open("wb") as target:
            for piece in pieces:
                cancel.check()
                target.write(piece.samples.tobytes())
                words += [KeptWord(text=word.text, start=word.start, end=word.end) for word in piece.words]
        note = SpeechNote(voice_used=utterance.voice_used, characters=utterance.characters, words=words)
        with file.open("rb") as source:
            self.store.upload(self._sound_key, source)
        self.store.put(self._note_key, note.model_dump_json().encode(), "application/json")
        return note


def _with_words(file: Path, words: tuple[Word, ...]) -> Generator[SpeechPiece, None, None]:
    for number, piece in enumerate(read_pieces(file)):
        yield SpeechPiece(piece.samples, words if number == 0 else ())
