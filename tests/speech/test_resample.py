"""The two resamplers: exact lengths, no shift in time, no seam between pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.speech.resample import Downsampler, HeardSamples, Upsampler
from engine.speech.voice import Samples

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]


def pieces_of(sound: Samples, cuts: Sequence[int]) -> list[Samples]:
    return np.split(sound, sorted(min(cut, sound.size) for cut in cuts))


def upsampled(sound: Samples, rate: int, cuts: Sequence[int] = ()) -> Samples:
    upsampler = Upsampler(rate)
    pushed = [upsampler.push(piece) for piece in pieces_of(sound, cuts)]
    return np.concatenate([*pushed, upsampler.finish()])


def downsampled(sound: Samples, cuts: Sequence[int] = ()) -> HeardSamples:
    downsampler = Downsampler()
    pushed = [downsampler.push(piece) for piece in pieces_of(sound, cuts)]
    return np.concatenate([*pushed, downsampler.finish()])


def noise(length: int) -> Samples:
    return np.random.default_rng(length).integers(-9_000, 9_000, length).astype(np.int16)


def tone(hertz: float, rate: int, length: int) -> Samples:
    return np.asarray(np.rint(10_000 * np.sin(2 * np.pi * hertz * np.arange(length) / rate)), np.int16)


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from(RATES), length=st.integers(0, 6_000), cuts=st.lists(st.integers(0, 6_000), max_size=4))
def test_upsampled_length_is_exact_and_cuts_do_not_matter(rate: int, length: int, cuts: list[int]) -> None:
    sound = noise(length)
    whole = upsampled(sound, rate)
    assert whole.size == -(-length * 48_000 // rate)
    np.testing.assert_array_equal(upsampled(sound, rate, cuts), whole)


@pytest.mark.parametrize("rate", RATES)
def test_upsampling_keeps_a_tone_and_its_time(rate: int) -> None:
    made = upsampled(tone(440, rate, rate // 2), rate, [100, 101, 3_000])
    wanted = tone(440, 48_000, made.size)
    middle = slice(1_000, -1_000)
    assert np.abs(made[middle].astype(int) - wanted[middle]).max() < 40


def test_upsampling_saturates_instead_of_wrapping() -> None:
    square = np.where(np.arange(4_000) // 40 % 2, 32_767, -32_768).astype(np.int16)
    made = upsampled(square, 24_000).astype(int)
    assert made.max() == 32_767
    assert np.abs(np.diff(made)).max() < 60_000


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, 9_000), cuts=st.lists(st.integers(0, 9_000), max_size=6))
def test_downsampled_length_is_exact_and_cuts_do_not_matter(length: int, cuts: list[int]) -> None:
    sound = noise(length)
    whole = downsampled(sound)
    assert whole.size == -(-length // 3)
    np.testing.assert_array_equal(downsampled(sound, cuts), whole)


@pytest.mark.parametrize("sample", [0, 1, 100, 639, 640, 641, 1_999])
def test_a_click_stays_where_it_was(sample: int) -> None:
    sound = np.zeros(6_000, np.int16)
    sound[3 * sample] = 30_000
    heard = downsampled(sound, [500, 2_000])
    assert int(np.argmax(np.abs(heard))) == sample
    around = heard[max(0, sample - 20) : sample + 21]
    if 20 <= sample < 1_980:
        np.testing.assert_allclose(around, around[::-1], atol=1e-6)


@pytest.mark.parametrize(("hertz", "gain"), [(100, 1.0), (3_000, 1.0), (6_900, 1.0), (8_200, 0.0), (15_000, 0.0)])
def test_what_16_khz_cannot_hold_is_gone_and_the_rest_is_kept(hertz: int, gain: float) -> None:
    heard = downsampled(tone(hertz, 48_000, 48_000))[200:-200]
    wanted = gain * 10_000 / 32_768 * np.sin(2 * np.pi * hertz * np.arange(200, 15_800) / 16_000)
    np.testing.assert_allclose(heard, wanted, atol=0.003)


def test_downsampler_gives_a_frame_as_soon_as_its_sound_is_there() -> None:
    downsampler = Downsampler()
    assert downsampler.push(noise(1_920)).size == 0
    assert downsampler.push(noise(96)).size == 640
