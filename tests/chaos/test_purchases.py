"""Speech that is bought again although it was there is found."""

from __future__ import annotations

import pytest

from tests.chaos.purchases import Spoken, bought_again, kept_at
from tests.servers.elevenlabs import Asked
from tests.servers.faulty_proxy import Done

NOTE = "/bucket/prefix/outputs/s/job-0123abcd/speech/note.json?x-id=PutObject"
TEXT = "Once."


def purchase(at: float, text: str = TEXT) -> Asked:
    return Asked("voice", "pcm_48000", "key", {"text": text}, at)


def test_speech_is_kept_when_its_note_was_first_taken() -> None:
    done = [Done("PUT", NOTE, 503, 1.0), Done("GET", NOTE, 200, 2.0), Done("PUT", NOTE, 200, 3.0)]
    assert kept_at([*done, Done("PUT", NOTE, 200, 9.0)]) == {"job": 3.0}


@pytest.mark.parametrize(
    ("purchases", "times"),
    [
        ((1.0,), 0),
        ((1.0, 2.0), 0),
        ((1.0, 6.0), 1),
        ((1.0, 6.0, 7.0), 2),
    ],
)
def test_a_purchase_by_a_run_that_began_when_it_was_kept_is_one_too_many(
    purchases: tuple[float, ...], times: int
) -> None:
    spoken = Spoken(TEXT, "job", begun=(0.5, 1.5, 5.0))
    found = list(bought_again(map(purchase, purchases), [spoken], {"job": 3.0}))
    assert len(found) == times


def test_a_run_that_looked_before_may_buy_and_so_may_another_job() -> None:
    spoken = Spoken(TEXT, "job", begun=(0.5,))
    assert not list(bought_again([purchase(1.0), purchase(4.0), purchase(6.0, "Twice.")], [spoken], {"job": 3.0}))
    assert not list(bought_again([purchase(1.0), purchase(4.0)], [spoken], {}))
