from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.lipsync.speech_shape import PreviewListener
from engine.timebase import frames_of_heard

Sound = NDArray[np.float32]
AH, EE, OO = (730, 1150, 2450), (280, 2300, 3000), (310, 850, 2250)


def vowel(formants: tuple[int, ...], samples: int, level: float = 0.3) -> Sound:
    """A buzz of 120 Hz through three resonances, as a throat and mouth make it."""
    wave = np.zeros(samples)
    time = np.arange(samples) / 16_000
    for harmonic in range(1, 34):
        pitch = 120.0 * harmonic
        gain = sum(
            strength / (1 + ((pitch - formant) / 90) ** 2)
            for formant, strength in zip(formants, (1.0, 0.3, 0.15), strict=True)
        )
        wave += gain * np.cos(2 * np.pi * pitch * time + harmonic)
    return np.asarray(level * wave / np.abs(wave).max(), np.float32)


def silence(samples: int) -> Sound:
    return np.zeros(samples, np.float32)


def heard(sound: Sound) -> NDArray[np.float32]:
    listener = PreviewListener()
    return np.array([*listener.push(sound), *listener.finish()]).reshape(-1, 2)


SPEECH = np.concatenate(
    [silence(900), vowel(AH, 3000), vowel(EE, 2500, 0.1), silence(1700), vowel(OO, 2600, 0.2), silence(640)]
)


@given(st.lists(st.integers(0, 4000), max_size=40))
@settings(max_examples=40, deadline=None)
def test_how_the_sound_is_cut_makes_no_difference(lengths: list[int]) -> None:
    listener = PreviewListener()
    got = []
    rest = SPEECH
    for length in lengths:
        got += listener.push(rest[:length])
        rest = rest[length:]
    got += listener.push(rest)
    got += listener.finish()
    assert np.array_equal(np.array(got), heard(SPEECH))


@pytest.mark.parametrize("samples", [1, 63, 64, 639, 640, 641, 704, 705, 1280, 18_560, 64_000])
def test_every_frame_has_one_feature(samples: int) -> None:
    features = heard(vowel(AH, samples))
    assert features.shape == (frames_of_heard(samples), 2)
    assert features.dtype == np.float32


def test_no_sound_has_no_frames() -> None:
    assert heard(silence(0)).shape == (0, 2)


def test_a_frame_is_decided_soon_after_it_has_been_heard() -> None:
    listener = PreviewListener()
    assert listener.push(vowel(AH, 640 + 63)) == []
    assert len(listener.push(silence(1))) == 1


def test_silence_and_faint_hiss_rest_exactly() -> None:
    hiss = np.random.default_rng(1).normal(0, 2e-4, 16_000).astype(np.float32)
    assert not heard(silence(16_000)).any()
    assert not heard(hiss).any()


def test_the_mouth_closes_quite_after_speech_and_within_a_fifth_of_a_second() -> None:
    features = heard(np.concatenate([vowel(AH, 6400), silence(6400)]))
    assert features[9, 0] > 0.6
    assert not features[15:].any()


def test_opening_is_in_step_with_the_sound() -> None:
    rng = np.random.default_rng(5)
    parts, gate = [], []
    for _ in range(30):
        on, off = (int(length) for length in rng.integers(3, 9, 2))
        parts += [vowel(AH, 640 * on), silence(640 * off)]
        gate += [1.0] * on + [0.0] * off
    opening = heard(np.concatenate(parts))[:, 0]
    wanted = np.array(gate) - np.mean(gate)
    matches = [float(np.dot(np.roll(wanted, lag), opening)) for lag in range(-4, 5)]
    assert abs(int(np.argmax(matches)) - 4) <= 1
    for index in np.flatnonzero(np.diff(gate) > 0):
        assert opening[index + 2] > 0.4


def test_open_vowels_open_wider_and_ee_is_wider_than_oo() -> None:
    ah, ee, oo = (heard(vowel(formants, 12_800))[10:].mean(axis=0) for formants in (AH, EE, OO))
    assert ah[0] > 2 * ee[0]
    assert ah[0] > 2 * oo[0]
    assert ee[1] > 0.5
    assert oo[1] < -0.3
    assert ee[0] > 0.05


def test_a_hum_through_closed_lips_hardly_opens() -> None:
    hum = (0.1 * np.sin(2 * np.pi * 240 * np.arange(6400) / 16_000)).astype(np.float32)
    assert heard(np.concatenate([vowel(AH, 6400), hum]))[14:, 0].max() < 0.2


def test_a_quiet_recording_moves_the_mouth_too() -> None:
    assert heard(vowel(AH, 32_000, 0.02))[:, 0].max() > 0.4


def test_a_steady_vowel_does_not_flicker() -> None:
    features = heard(vowel(AH, 32_000))[5:-2]
    assert float(np.abs(np.diff(features, axis=0)).max()) < 0.05


def test_steady_noise_comes_to_rest() -> None:
    noise = np.random.default_rng(2).normal(0, 0.004, 16_000 * 14).astype(np.float32)
    assert not heard(noise)[-50:].any()


def test_features_stay_in_range() -> None:
    loud = np.random.default_rng(4).uniform(-1, 1, 64_000).astype(np.float32)
    for sound in (loud, vowel(EE, 16_000, 1.0), np.ones(16_000, np.float32)):
        features = heard(sound)
        assert features[:, 0].min() >= 0
        assert features[:, 0].max() <= 1
        assert np.abs(features[:, 1]).max() <= 1


def test_memory_does_not_grow_with_the_sound() -> None:
    listener = PreviewListener()
    piece = vowel(AH, 16_000)
    listener.push(piece)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(60):
        listener.push(piece)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 50_000
