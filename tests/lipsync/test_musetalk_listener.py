"""The listener with an encoder whose features say which sound they were made of."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.lipsync.musetalk_listener import EDGE, LIVE_FIRST, LIVE_HOP, Encode, MuseTalkListener
from engine.lipsync.renderer import Array
from engine.nets.hearing import Hearing
from engine.nets.whisper import WhisperConfig, WhisperEncoder
from engine.timebase import frames_of_heard

Samples = NDArray[np.float32]
SEGMENT = 480_000
STATES, CHANNELS = 5, 2


def first_sample_and_state(segment: Samples) -> Array:
    """A feature's channels: the first of its own 320 samples, and the number of the state."""
    assert segment.shape == (SEGMENT,)
    features = np.empty((1500, STATES, CHANNELS), np.float32)
    features[..., 0] = segment[::320, None]
    features[..., 1] = np.arange(1, STATES + 1)
    return features


def numbered(samples: int) -> Samples:
    """Every sample holds the number of its feature, from 1 on, so that 0 is silence."""
    return (np.arange(samples) // 320 + 1).astype(np.float32)


def heard_in(
    sound: Samples, pieces: list[int], encode: Encode = first_sample_and_state, *, live: bool = False
) -> list[Array]:
    """What a listener returns for ``sound`` when it comes in pieces that end at ``pieces``."""
    listener = MuseTalkListener(encode, live=live)
    frames = [frame for piece in np.split(sound, pieces) for frame in listener.push(piece)]
    return [*frames, *listener.finish()]


def reference_window(frame: int, features: int) -> list[int]:
    """Numbers from 1 on of the ten features of ``frame``, 0 for the reference's zeros."""
    padded = [0] * 4 + list(range(1, features + 1)) + [0] * 12
    return padded[2 * frame : 2 * frame + 10]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    "samples",
    [
        1_280,
        16_000,
        18_560,
        72_960,
        123_457,
        SEGMENT - 1,
        SEGMENT,
        SEGMENT + 1,
        SEGMENT + 1_305,
        2 * SEGMENT,
        1_520_000,
    ],
)
def test_every_frame_has_the_references_features(samples: int, live: bool) -> None:
    """An encoder that hears only a feature's own samples gives the same early or late."""
    frames = heard_in(numbered(samples), [], live=live)
    assert len(frames) == math.ceil(samples / 640)
    features = math.floor((samples / 16_000) * 50)
    for number in range(math.floor((samples / 16_000) * 25)):
        by_feature = frames[number].reshape(10, STATES, CHANNELS)
        expected = np.array(reference_window(number, features))
        np.testing.assert_array_equal(by_feature[..., 0], np.repeat(expected[:, None], STATES, axis=1))
        np.testing.assert_array_equal(by_feature[..., 1], np.where(expected[:, None] > 0, np.arange(1, STATES + 1), 0))


def test_a_window_straddles_two_segments_that_were_encoded_apart() -> None:
    frame = heard_in(numbered(SEGMENT + 16_000), [])[749]
    assert frame.reshape(10, STATES, CHANNELS)[:, 0, 0].tolist() == list(range(1495, 1505))


def test_frames_past_the_references_last_are_filled_up_with_zeros() -> None:
    # 1,281 samples: 4 features, and a third frame that has a single sample of its own.
    frames = heard_in(numbered(1_281), [])
    assert len(frames) == 3
    assert frames[2].reshape(10, STATES, CHANNELS)[:, 0, 0].tolist() == [1, 2, 3, 4, 0, 0, 0, 0, 0, 0]


def test_a_sound_shorter_than_a_feature_makes_one_frame_of_zeros() -> None:
    frames = heard_in(numbered(1), [])
    assert [frame.shape for frame in frames] == [(50, CHANNELS)]
    assert not frames[0].any()


def test_no_sound_makes_no_frame() -> None:
    assert heard_in(np.zeros(0, np.float32), []) == []


def test_frames_come_as_soon_as_their_segment_is_whole() -> None:
    listener = MuseTalkListener(first_sample_and_state)
    assert listener.push(numbered(SEGMENT - 1)) == []
    assert len(listener.push(np.zeros(1, np.float32))) == 748
    assert len(listener.finish()) == 2


@settings(deadline=None, max_examples=25)
@given(
    samples=st.integers(0, 2 * SEGMENT + 5_000),
    cuts=st.lists(st.integers(0, 2 * SEGMENT + 5_000), max_size=8).map(sorted),
)
def test_the_pieces_that_the_sound_comes_in_change_nothing(samples: int, cuts: list[int]) -> None:
    sound = np.random.default_rng(samples).normal(size=samples).astype(np.float32)
    whole, pieces = heard_in(sound, []), heard_in(sound, cuts)
    assert len(whole) == len(pieces) == frames_of_heard(samples)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("live", [False, True])
def test_what_is_kept_does_not_grow_with_the_sound(live: bool) -> None:
    listener = MuseTalkListener(first_sample_and_state, live=live)

    def kept_after(minutes: int) -> int:
        for _ in range(minutes * 12):
            listener.push(np.zeros(5 * 16_000, np.float32))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = kept_after(1)
        assert kept_after(10) < early + 20_000
    finally:
        tracemalloc.stop()


def when_it_was_made(segment: Samples) -> Array:
    """A feature's channels: its place in the segment, and how many samples of the segment had been heard."""
    features = np.empty((1500, STATES, CHANNELS), np.float32)
    features[..., 0] = np.arange(1500)[:, None]
    features[..., 1] = np.count_nonzero(segment)
    return features


def settled_after(samples: int) -> int:
    """How many features a live listener has taken after so many samples: the schedule, said once more."""
    segments, filled = divmod(samples, SEGMENT)
    if filled < 5_760:
        return 1_500 * segments
    return 1_500 * segments + (5_760 + (filled - 5_760) // 5_120 * 5_120) // 320 - 2


@settings(deadline=None, max_examples=25)
@given(
    samples=st.integers(0, SEGMENT + 60_000),
    cuts=st.lists(st.integers(0, SEGMENT + 60_000), max_size=12).map(sorted),
)
def test_live_features_and_when_they_come_depend_on_the_sound_alone(samples: int, cuts: list[int]) -> None:
    sound = np.ones(samples, np.float32)
    listener = MuseTalkListener(when_it_was_made, live=True)
    frames: list[Array] = []
    heard = 0
    for piece in np.split(sound, cuts):
        frames += listener.push(piece)
        heard += len(piece)
        assert len(frames) == max(0, (settled_after(heard) - 6) // 2 + 1)
    frames += listener.finish()
    assert len(frames) == frames_of_heard(samples)
    whole = heard_in(sound, [], when_it_was_made, live=True)
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in whole]


def test_a_live_feature_is_made_as_soon_as_its_edge_is_heard_and_never_again() -> None:
    made: dict[int, set[float]] = {}
    for number, frame in enumerate(heard_in(np.ones(100_000, np.float32), [], when_it_was_made, live=True)):
        for place, feature in enumerate(frame.reshape(10, STATES, CHANNELS)[:, 0]):
            if feature[1]:
                assert feature[0] == 2 * number - 4 + place
                made.setdefault(int(feature[0]), set()).add(float(feature[1]))
    encodings = [*range(5_760, 100_000, 5_120), 100_000]
    for number in range(310):
        expected = next(stop for stop in encodings if number < stop // 320 - 2 or stop == 100_000)
        assert made[number] == {expected}


def test_the_first_live_frames_are_six_after_nine_frames_of_sound() -> None:
    listener = MuseTalkListener(first_sample_and_state, live=True)
    assert listener.push(numbered(LIVE_FIRST - 1)) == []
    assert len(listener.push(np.ones(1, np.float32))) == 6
    assert len(listener.push(np.ones(LIVE_HOP, np.float32))) == 8


def test_a_live_minute_is_encoded_188_times() -> None:
    encodings = 0

    def counting(segment: Samples) -> Array:
        nonlocal encodings
        encodings += 1
        return first_sample_and_state(segment)

    heard_in(np.zeros(2 * SEGMENT, np.float32), [], counting, live=True)
    assert encodings == 188


def test_the_edge_keeps_the_end_of_the_sound_so_far_out_of_the_spectrogram_and_the_convolutions() -> None:
    torch.manual_seed(5)
    hearing = Hearing(WhisperEncoder(WhisperConfig(width=8, heads=1, hidden=8)))
    sound = np.random.default_rng(5).normal(0, 0.1, SEGMENT).astype(np.float32)
    so_far = np.where(np.arange(SEGMENT) < LIVE_FIRST, sound, 0).astype(np.float32)
    early, late = hearing(so_far)[:, 0], hearing(sound)[:, 0]
    known = LIVE_FIRST // 320
    np.testing.assert_allclose(early[: known - EDGE], late[: known - EDGE], atol=1e-5)
    assert np.abs(early[known - 1] - late[known - 1]).max() > 1e-3


def test_the_encoder_itself_can_be_listened_with() -> None:
    torch.manual_seed(5)
    encoder = WhisperEncoder(WhisperConfig(width=8, heads=1, hidden=8))
    listener = MuseTalkListener(Hearing(encoder))
    sound = np.random.default_rng(5).normal(0, 0.1, 32_000).astype(np.float32)
    frames = [*listener.push(sound), *listener.finish()]
    features = Hearing(encoder)(np.pad(sound, (0, SEGMENT - len(sound))))
    assert len(frames) == 50
    np.testing.assert_array_equal(frames[20], features[36:46].reshape(50, 8))


def test_a_frame_has_fifty_tokens_of_384_channels_in_the_encoders_type() -> None:
    listener = MuseTalkListener(lambda _: np.ones((1500, 5, 384), np.float16))
    (frame,) = [*listener.push(np.zeros(640, np.float32)), *listener.finish()]
    assert frame.shape == (50, 384)
    assert frame.dtype == np.float16
