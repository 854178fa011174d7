"""When the mouth rests, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.lipsync.silence import RestGate
from engine.timebase import HEARD_PER_FRAME, frames_of_heard

LOUD, QUIET = 0.1, 0.001


def sound(*stretches: tuple[float, int]) -> NDArray[np.float32]:
    """Stretches of (amplitude, frames)."""
    parts = [np.full(frames * HEARD_PER_FRAME, level, np.float32) for level, frames in stretches]
    for part in parts:
        part[1::2] *= -1
    return np.concatenate(parts)


def shares(heard: NDArray[np.float32], cuts: int = 1) -> list[float]:
    gate = RestGate()
    decided = [share for part in np.array_split(heard, cuts) for share in gate.push(part)]
    return decided + gate.finish()


def test_speech_is_all_speech() -> None:
    assert shares(sound((LOUD, 30))) == [1.0] * 30


def test_a_long_pause_fades_over_three_frames_on_both_sides() -> None:
    assert shares(sound((LOUD, 5), (QUIET, 10), (LOUD, 5))) == (
        [1.0] * 5 + [0.75, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75] + [1.0] * 5
    )


@pytest.mark.parametrize(("frames", "rests"), [(6, False), (7, True)])
def test_a_pause_counts_from_a_quarter_of_a_second(frames: int, rests: bool) -> None:
    pause = shares(sound((LOUD, 5), (QUIET, frames), (LOUD, 5)))[5 : 5 + frames]
    assert (min(pause) < 1) is rests


def test_silence_at_the_start_and_at_the_end_is_rest_to_the_edge() -> None:
    result = shares(sound((QUIET, 10), (LOUD, 5), (QUIET, 10)))
    assert result[:10] == [0.0] * 7 + [0.25, 0.5, 0.75]
    assert result[15:] == [0.75, 0.5, 0.25] + [0.0] * 7


def test_all_silence_is_all_rest() -> None:
    assert shares(sound((QUIET, 40))) == [0.0] * 40


@pytest.mark.parametrize(("decibels", "silent"), [(-34.5, False), (-35.5, True)])
def test_silence_begins_below_35_decibels(decibels: float, silent: bool) -> None:
    assert (shares(sound((10 ** (decibels / 20), 10)))[5] == 0) is silent


def test_the_last_frame_may_be_a_single_sample() -> None:
    heard = sound((LOUD, 3))[: 2 * HEARD_PER_FRAME + 1]
    assert len(shares(heard)) == frames_of_heard(len(heard)) == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([LOUD, QUIET]), st.integers(1, 12)), min_size=1, max_size=8), st.integers(1, 40)
)
def test_how_the_sound_is_cut_changes_nothing(stretches: list[tuple[float, int]], cuts: int) -> None:
    heard = sound(*stretches)
    whole = shares(heard)
    assert len(whole) == frames_of_heard(len(heard))
    assert shares(heard, cuts) == whole


def waits(heard: NDArray[np.float32]) -> list[int]:
    """For each frame of a sound that comes frame by frame: how many later ones came before it was decided."""
    gate = RestGate()
    waited: list[int] = []
    for number, frame in enumerate(heard.reshape(-1, HEARD_PER_FRAME)):
        waited += [number - len(waited) - place for place in range(len(gate.push(frame)))]
    return waited


def test_what_is_heard_is_decided_at_once() -> None:
    assert waits(sound((LOUD, 20))) == [0] * 20


def test_a_short_pause_is_decided_when_it_ends() -> None:
    assert waits(sound((LOUD, 3), (QUIET, 2), (LOUD, 3))) == [0, 0, 0, 2, 1, 0, 0, 0]


def test_a_rest_is_decided_when_it_has_lasted_a_quarter_of_a_second_then_as_far_as_its_fade_reaches() -> None:
    assert waits(sound((LOUD, 1), (QUIET, 12), (LOUD, 1))) == [0, 6, 5, 4, 3, 3, 3, 3, 3, 3, 3, 2, 1, 0]
