from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.media.tempo import Clock, Tempo, usual_period

TICK = Fraction(1, 90_000)


def shown(times: list[Fraction], end: Fraction, tick: Fraction = TICK) -> list[int]:
    """Which source frame every output shows."""
    tempo, sequence = Tempo(tick), list[int]()
    for number, time in enumerate(times[1:]):
        sequence += [number] * tempo.showings_before(time)
    return sequence + [len(times) - 1] * tempo.showings_until(end)


def steady(rate: Fraction, count: int) -> list[Fraction]:
    return [number / rate for number in range(count)]


def test_a_source_of_25_frames_a_second_passes_unchanged() -> None:
    assert shown(steady(Fraction(25), 50), Fraction(2)) == list(range(50))


def test_50_frames_a_second_lose_every_other_one() -> None:
    assert shown(steady(Fraction(50), 20), Fraction(20, 50)) == list(range(0, 20, 2))


def test_12_and_a_half_frames_a_second_show_each_twice() -> None:
    assert shown(steady(Fraction(25, 2), 4), Fraction(8, 25)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_times_rounded_up_to_milliseconds_count_as_what_they_mean() -> None:
    times = [Fraction(ceil(1000 * number / Fraction(25) - Fraction(1, 2)), 1000) for number in range(10)]
    assert shown(times, Fraction(10, 25), Fraction(1, 1000)) == list(range(10))


def test_a_pause_holds_the_frame_before_it() -> None:
    assert shown([Fraction(0), Fraction(1, 25), Fraction(5, 25)], Fraction(6, 25)) == [0, 1, 1, 1, 1, 2]


def test_a_clip_has_one_frame_however_short() -> None:
    assert shown([Fraction(0)], Fraction(1, 1000)) == [0]


@pytest.mark.parametrize(
    "rate", [Fraction(24_000, 1001), Fraction(24), Fraction(30_000, 1001), Fraction(60_000, 1001), Fraction(50)]
)
def test_no_rate_drifts(rate: Fraction) -> None:
    count = round(rate * 600)
    sequence = shown(steady(rate, count), count / rate)
    assert abs(len(sequence) - 25 * count / rate) <= 1
    for output, source in enumerate(sequence[:-1]):
        assert 0 <= Fraction(output, 25) + TICK / 2 - source / rate <= 1 / rate


@given(st.lists(st.integers(1, 200), min_size=1, max_size=60), st.integers(1, 200))
def test_any_times_give_the_latest_frame_and_the_right_length(gaps: list[int], last: int) -> None:
    times = [Fraction(sum(gaps[:number]), 1000) for number in range(len(gaps) + 1)]
    end = times[-1] + Fraction(last, 1000)
    tick = Fraction(1, 1000)
    sequence = shown(times, end, tick)
    assert abs(len(sequence) - end * 25) <= 1
    for output, source in enumerate(sequence):
        latest = max(number for number, time in enumerate(times) if time <= Fraction(output, 25) + tick / 2)
        assert source == latest or times[latest] == Fraction(output, 25) + tick / 2


def times_of(stamps: list[Fraction | None], period: Fraction = Fraction(1, 10)) -> list[Fraction]:
    clock = Clock(period)
    return [clock.time(stamp) for stamp in stamps]


def test_time_starts_at_the_first_frame() -> None:
    assert times_of([Fraction(7), Fraction(8)]) == [0, 1]


def test_missing_stamps_go_on_by_the_usual_period() -> None:
    assert times_of([None, None, None]) == [0, Fraction(1, 10), Fraction(2, 10)]


def test_a_first_stamp_that_comes_late_fits_to_the_frames_before_it() -> None:
    assert times_of([None, Fraction(9), Fraction(10)]) == [0, Fraction(1, 10), Fraction(11, 10)]


def test_after_a_jump_back_time_goes_on_from_there() -> None:
    stamps = [Fraction(5), Fraction(6), Fraction(0), Fraction(1, 2)]
    assert times_of(list(stamps)) == [0, 1, Fraction(11, 10), Fraction(16, 10)]


@given(st.lists(st.one_of(st.none(), st.fractions(-100, 100)), max_size=40))
def test_time_always_rises(stamps: list[Fraction | None]) -> None:
    times = times_of(stamps)
    assert all(earlier < later for earlier, later in pairwise(times))


def test_a_period_stays_within_reason() -> None:
    assert usual_period(Fraction(30)) == Fraction(1, 30)
    assert usual_period(None) == Fraction(1, 25)
    assert usual_period(Fraction(90_000)) == Fraction(1, 240)
    assert usual_period(Fraction(1, 60)) == 1
