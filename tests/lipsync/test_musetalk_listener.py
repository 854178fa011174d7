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

from engine.lipsync.musetalk_listener import MuseTalkListener
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


def heard_in(sound: Samples, pieces: list[int]) -> list[Array]:
    """What a listener returns for ``sound`` when it comes in pieces that end at ``pieces``."""
    listener = MuseTalkListener(first_sample_and_state)
    frames = [frame for piece in np.split(sound, pieces) for frame in listener.push(piece)]
    return [*frames, *listener.finish()]


def reference_window(frame: int, features: int) -> list[int]:
    """Numbers from 1 on of the ten features of ``frame``, 0 for the reference's zeros."""
    padded = [0] * 4 + list(range(1, features + 1)) + [0] * 12
    return padded[2 * frame : 2 * frame + 10]


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
def test_every_frame_has_the_references_features(samples: int) -> None:
    frames = heard_in(numbered(samples), [])
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


def test_what_is_kept_does_not_grow_with_the_sound() -> None:
    listener = MuseTalkListener(first_sample_and_state)

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
