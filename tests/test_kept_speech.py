"""Bought speech is bought once, whatever becomes of the run that bought it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import TtsUnavailable
from engine.kept_speech import KeptSpeech
from engine.speech.voice import SpeechPiece, Utterance, Word
from engine.store.local import LocalStore


class Shop:
    """Sells the same two pieces of speech, and counts how often."""

    def __init__(self, breaks: bool = False) -> None:
        self.sold = 0
        self.hung_up = False
        self._breaks = breaks

    def buy(self) -> Utterance:
        self.sold += 1
        return Utterance("shop:voice", 11, self._pieces())

    def _pieces(self) -> Generator[SpeechPiece, None, None]:
        try:
            yield SpeechPiece(np.arange(30_000, dtype=np.int16), (Word("Hello", 0.0, 0.5),))
            if self._breaks:
                raise TtsUnavailable("The voice went away.")
            yield SpeechPiece(np.arange(20_000, dtype=np.int16), (Word("world", 0.6, 1.0),))
        finally:
            self.hung_up = True


@pytest.fixture
def kept(tmp_path: Path) -> KeptSpeech:
    return KeptSpeech(LocalStore(tmp_path / "store"), "outputs/session/job/speech")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def sound_of(utterance: Utterance) -> tuple[list[int], list[str]]:
    pieces = list(utterance.pieces)
    samples = np.concatenate([piece.samples for piece in pieces])
    return samples.tolist(), [word.text for piece in pieces for word in piece.words]


def test_a_second_run_hears_the_same_and_pays_nothing(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop()
    first = kept.recall_or_buy(shop.buy, scratch, CancelToken())
    heard = sound_of(first)
    (scratch / "speech.pcm").unlink()
    second = kept.recall_or_buy(shop.buy, scratch, CancelToken())
    assert sound_of(second) == heard
    assert heard[1] == ["Hello", "world"]
    assert len(heard[0]) == 50_000
    assert (second.voice_used, second.characters) == ("shop:voice", 11)
    assert shop.sold == 1


def test_speech_is_in_the_store_before_the_first_piece_is_handed_on(kept: KeptSpeech, scratch: Path) -> None:
    kept.recall_or_buy(Shop().buy, scratch, CancelToken())
    assert {item.key.rpartition("/")[2] for item in kept.store.list("")} == {"sound.pcm", "note.json"}


def test_speech_that_broke_off_is_bought_again(kept: KeptSpeech, scratch: Path) -> None:
    with pytest.raises(TtsUnavailable):
        kept.recall_or_buy(Shop(breaks=True).buy, scratch, CancelToken())
    assert list(kept.store.list("")) == []
    shop = Shop()
    kept.recall_or_buy(shop.buy, scratch, CancelToken())
    assert shop.sold == 1


def test_a_note_without_its_sound_counts_as_nothing(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop()
    kept.recall_or_buy(shop.buy, scratch, CancelToken())
    kept.store.delete("outputs/session/job/speech/sound.pcm")
    kept.recall_or_buy(shop.buy, scratch, CancelToken())
    assert shop.sold == 2


def test_a_cancelled_purchase_stops(kept: KeptSpeech, scratch: Path) -> None:
    shop, cancel = Shop(), CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled) as stopped:
        kept.recall_or_buy(shop.buy, scratch, cancel)
    assert shop.hung_up, stopped


def test_forgotten_speech_leaves_nothing(kept: KeptSpeech, scratch: Path) -> None:
    kept.recall_or_buy(Shop().buy, scratch, CancelToken())
    kept.forget()
    assert list(kept.store.list("")) == []
