"""Bought speech is heard while it is bought, and bought once, whatever becomes of the run that bought it."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import EngineError, SessionFailed, TtsMisconfigured
from engine.kept_speech import KeptSpeech
from engine.outages import StorageFull, StorageUnavailable, TtsUnavailable
from engine.speech.voice import SpeechPiece, Utterance, Word
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo

FIRST = SpeechPiece(np.arange(30_000, dtype=np.int16), (Word("Hello", 0.0, 0.5),))
SECOND = SpeechPiece(np.arange(20_000, dtype=np.int16), (Word("world", 0.6, 1.0),))


@dataclass
class Shop:
    """Sells two pieces of speech, the second once ``goes_on`` is set; says how often it sold and who hung up."""

    error: EngineError | None = None
    first: SpeechPiece | None = FIRST
    waits: bool = False
    sold: int = 0
    hung_up: bool = False
    goes_on: threading.Event = field(default_factory=threading.Event)

    def buy(self, cancel: CancelToken) -> Utterance:
        self.sold += 1
        return Utterance("shop:voice", 11, self._pieces(cancel))

    def _pieces(self, cancel: CancelToken) -> Generator[SpeechPiece, None, None]:
        try:
            cancel.check()
            if self.first is not None:
                yield self.first
            while self.waits and not self.goes_on.wait(0.01):
                cancel.check()
            if self.error is not None:
                raise self.error
            yield SECOND
        finally:
            self.hung_up = True


@pytest.fixture
def kept(tmp_path: Path) -> KeptSpeech:
    return KeptSpeech(LocalStore(tmp_path / "store"), "outputs/session/job/speech")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def names(kept: KeptSpeech) -> set[str]:
    return {item.key.rpartition("/")[2] for item in kept.store.list("")}


def sound_of(utterance: Utterance) -> tuple[list[int], list[str]]:
    pieces = list(utterance.pieces)
    samples = np.concatenate([piece.samples for piece in pieces])
    return samples.tolist(), [word.text for piece in pieces for word in piece.words]


def bought(kept: KeptSpeech, shop: Shop, scratch: Path) -> tuple[list[int], list[str]]:
    with kept.recall_or_buy(shop.buy, scratch, CancelToken()) as utterance:
        assert (utterance.voice_used, utterance.characters) == ("shop:voice", 11)
        return sound_of(utterance)


def fail_in_the_middle(kept: KeptSpeech, shop: Shop, scratch: Path, error: BaseException) -> None:
    with kept.recall_or_buy(shop.buy, scratch, CancelToken()) as utterance:
        next(utterance.pieces)
        raise error


def until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.005)
    return happened()


def buyers() -> list[str]:
    """The threads that are still buying."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("purchase")]


@pytest.mark.parametrize(("name", "body"), [("note.json", b"{"), ("note.json", b""), ("sound.pcm", b"odd")])
def test_speech_that_can_t_be_read_is_bought_again(kept: KeptSpeech, scratch: Path, name: str, body: bytes) -> None:
    shop = Shop()
    heard = bought(kept, shop, scratch)
    kept.store.put(f"{kept.folder}/{name}", body)
    assert bought(kept, shop, scratch) == heard
    assert bought(kept, shop, scratch) == heard
    assert shop.sold == 2


def test_a_second_run_hears_the_same_and_pays_nothing(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop()
    heard = bought(kept, shop, scratch)
    assert heard == ([*range(30_000), *range(20_000)], ["Hello", "world"])
    (scratch / "speech.pcm").unlink()
    assert bought(kept, shop, scratch) == heard
    assert shop.sold == 1
    assert shop.hung_up


def test_a_piece_is_heard_before_the_next_one_is_sold(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop(waits=True)
    with kept.recall_or_buy(shop.buy, scratch, CancelToken()) as utterance:
        begun = [next(utterance.pieces), next(utterance.pieces)]
        assert sum(piece.samples.size for piece in begun) == 30_000
        assert [word.text for piece in begun for word in piece.words] == ["Hello"]
        assert names(kept) == set()
        shop.goes_on.set()
        assert sound_of(utterance) == (list(range(20_000)), ["world"])


def test_the_speech_is_stored_though_nobody_takes_its_pieces(kept: KeptSpeech, scratch: Path) -> None:
    with kept.recall_or_buy(Shop().buy, scratch, CancelToken()) as utterance:
        assert until(lambda: names(kept) == {"sound.pcm", "note.json"})
        assert len(sound_of(utterance)[0]) == 50_000


def test_speech_that_breaks_off_is_heard_to_there_and_bought_again(kept: KeptSpeech, scratch: Path) -> None:
    broken = Shop(TtsUnavailable("The voice went away."))
    with kept.recall_or_buy(broken.buy, scratch, CancelToken()) as utterance:
        assert sum(next(utterance.pieces).samples.size for _ in range(2)) == 30_000
        with pytest.raises(TtsUnavailable):
            next(utterance.pieces)
    assert names(kept) == set()
    shop = Shop()
    bought(kept, shop, scratch)
    assert shop.sold == 1


def test_a_refusal_is_told_before_anything_is_heard(kept: KeptSpeech, scratch: Path) -> None:
    refusing = Shop(TtsMisconfigured("No such key."), first=None)
    with (
        pytest.raises(TtsMisconfigured),
        kept.recall_or_buy(refusing.buy, scratch, CancelToken()),
    ):
        pytest.fail("speech that was refused began")
    assert (names(kept), buyers()) == (set(), [])


def test_a_note_without_its_sound_counts_as_nothing(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop()
    bought(kept, shop, scratch)
    kept.store.delete("outputs/session/job/speech/sound.pcm")
    bought(kept, shop, scratch)
    assert shop.sold == 2


def test_a_job_cancelled_before_buys_nothing(kept: KeptSpeech, scratch: Path) -> None:
    shop, cancel = Shop(), CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled), kept.recall_or_buy(shop.buy, scratch, cancel):
        pytest.fail("a cancelled purchase began")
    assert shop.hung_up
    assert names(kept) == set()


def test_a_cancelled_job_stops_the_purchase(kept: KeptSpeech, scratch: Path) -> None:
    shop, cancel = Shop(waits=True), CancelToken()
    with kept.recall_or_buy(shop.buy, scratch, cancel) as utterance:
        next(utterance.pieces)
        cancel.cancel()
        with pytest.raises(Cancelled):
            list(utterance.pieces)
    assert shop.hung_up
    assert (names(kept), buyers()) == (set(), [])


@pytest.mark.parametrize("error", [Cancelled(), SessionFailed("Its avatar is gone."), KeyboardInterrupt()], ids=repr)
def test_a_block_that_fails_for_good_stops_the_purchase(kept: KeptSpeech, scratch: Path, error: BaseException) -> None:
    shop = Shop(waits=True)
    with pytest.raises(type(error)):
        fail_in_the_middle(kept, shop, scratch, error)
    assert shop.hung_up
    assert (names(kept), buyers()) == (set(), [])


def test_a_block_that_can_be_tried_again_lets_the_purchase_be_kept(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop(waits=True)
    threading.Timer(0.1, shop.goes_on.set).start()
    with pytest.raises(StorageUnavailable):
        fail_in_the_middle(kept, shop, scratch, StorageUnavailable("The store is away."))
    assert len(bought(kept, shop, scratch)[0]) == 50_000
    assert shop.sold == 1


def test_leaving_half_heard_pieces_stops_the_purchase(kept: KeptSpeech, scratch: Path) -> None:
    shop = Shop(waits=True)
    with kept.recall_or_buy(shop.buy, scratch, CancelToken()) as utterance:
        next(utterance.pieces)
        utterance.pieces.close()
    assert shop.hung_up
    assert (names(kept), buyers()) == (set(), [])


class FullStore(LocalStore):
    def upload(self, key: str, source: BinaryIO, content_type: str = "") -> ObjectInfo:
        raise StorageUnavailable("The store is away.")


def test_speech_that_cannot_be_kept_is_heard_whole_and_its_error_told_at_the_end(tmp_path: Path, scratch: Path) -> None:
    full = KeptSpeech(FullStore(tmp_path / "full"), "speech")
    heard = 0
    with pytest.raises(StorageUnavailable), full.recall_or_buy(Shop().buy, scratch, CancelToken()) as utterance:
        heard = len(sound_of(utterance)[0])
    assert heard == 50_000


def test_a_full_disk_ends_the_purchase_so_that_it_can_be_tried_again(kept: KeptSpeech, scratch: Path) -> None:
    (scratch / "speech.pcm").symlink_to("/dev/full")
    shop = Shop()
    with pytest.raises(StorageFull):
        bought(kept, shop, scratch)
    assert shop.hung_up
    assert names(kept) == set()


def test_ten_minutes_of_speech_take_no_memory(kept: KeptSpeech, scratch: Path) -> None:
    second = SpeechPiece(np.zeros(48_000, np.int16))
    tracemalloc.start()
    try:
        speech = Utterance("shop:voice", 11, (second for _ in range(600)))
        with kept.recall_or_buy(lambda _: speech, scratch, CancelToken()) as utterance:
            assert sum(piece.samples.size for piece in utterance.pieces) == 600 * 48_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_forgotten_speech_leaves_nothing(kept: KeptSpeech, scratch: Path) -> None:
    bought(kept, Shop(), scratch)
    kept.forget()
    assert names(kept) == set()
