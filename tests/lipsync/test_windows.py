"""Windows index by index against the reference's arithmetic, written down here from its description."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.lipsync.windows import (
    FEATURES_AFTER,
    features_of_heard,
    first_feature,
    frames_decided,
    position_encoding,
    tokens,
    windows,
)
from engine.timebase import frames_of_heard

SHORTEST, LONGEST = 1_280, 95 * 16_000
"""0.08 s, below which the reference gives up, and 95 s, in samples."""


def reference_counts(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """The reference's (frames, features) for each length: [N, 2]. numpy's float64 steps are Python's own."""
    seconds = samples / 16_000
    return np.stack([np.floor(seconds * 25), np.floor(seconds * 50)], axis=1).astype(np.int64)


def reference_windows(frames: int, features: int) -> NDArray[np.int64]:
    """The reference's [frames, 10]: zeros (here -1) sliced from the features themselves, then ten from 2 i on."""
    multiplier = 50 / 25
    padding = math.ceil(multiplier)
    heard = np.arange(features)
    nothing = np.full(features, -1)
    padded = np.concatenate([nothing[: padding * 2], heard, nothing[: padding * 3 * 2]])
    starts = np.floor(np.arange(frames) * multiplier).astype(np.int64)
    chosen: NDArray[np.int64] = padded[starts[:, None] + np.arange(10)]
    return chosen


def all_lengths() -> NDArray[np.int64]:
    return np.arange(SHORTEST, LONGEST + 1)


def test_every_frame_of_every_length_sees_the_references_features() -> None:
    lengths = all_lengths()
    theirs = reference_counts(lengths)
    ours = np.array([(frames_of_heard(length), features_of_heard(length)) for length in lengths.tolist()])
    assert (ours[:, 1] == theirs[:, 1]).all()
    assert (ours[:, 0] >= theirs[:, 0]).all()
    for frames, features in np.unique(theirs, axis=0).tolist():
        assert np.array_equal(windows(range(frames), features), reference_windows(frames, features)), (frames, features)


def test_the_references_floats_drop_a_frame_at_144_lengths() -> None:
    """Of all lengths, in samples, up to 95 s: the frame is whole, and the reference doesn't make it."""
    lengths = all_lengths()
    whole_frames = lengths // 640
    dropped = lengths[reference_counts(lengths)[:, 0] < whole_frames]
    assert len(dropped) == 144
    assert dropped[:5].tolist() == [18_560, 36_480, 37_120, 72_320, 72_960]
    assert (dropped % 640 == 0).all()
    assert [frames_of_heard(length) for length in dropped.tolist()] == (dropped // 640).tolist()


def test_the_references_floats_drop_the_last_feature_at_287_lengths() -> None:
    lengths = all_lengths()
    short = lengths[reference_counts(lengths)[:, 1] < lengths // 320]
    assert len(short) == 287
    assert short[:3].tolist() == [9_280, 18_240, 18_560]
    assert [features_of_heard(length) for length in short.tolist()] == (short // 320 - 1).tolist()


def test_first_and_last_frames_are_filled_up_with_zeros() -> None:
    first, *_, last = windows(range(25), 50).tolist()
    assert first == [-1, -1, -1, -1, 0, 1, 2, 3, 4, 5]
    assert last == [44, 45, 46, 47, 48, 49, -1, -1, -1, -1]


def test_a_frame_past_the_last_feature_still_has_a_window() -> None:
    assert windows(range(1), 0).tolist() == [[-1] * 10]
    assert windows(range(4), 6)[3].tolist() == [2, 3, 4, 5, -1, -1, -1, -1, -1, -1]


def test_windows_straddle_two_segments() -> None:
    assert windows(range(749, 751), 3000).tolist() == [list(range(1494, 1504)), list(range(1496, 1506))]


@pytest.mark.parametrize("features", [0, 5, 6, 7, 8, 1500])
def test_decided_frames_are_those_that_no_more_sound_can_change(features: int) -> None:
    decided = frames_decided(features)
    longer = windows(range(decided + 1), features + FEATURES_AFTER)
    assert (longer[:decided] < features).all()
    assert (longer[decided] >= features).any()


@pytest.mark.parametrize("frame", [0, 1, 2, 3, 748])
def test_first_feature_is_the_lowest_one_that_still_counts(frame: int) -> None:
    later = windows(range(frame, frame + 3), 2000)
    assert first_feature(frame) == later[later >= 0].min()


def test_tokens_stand_in_order_of_time_and_then_of_state() -> None:
    features = np.arange(20 * 5 * 3, dtype=np.float16).reshape(20, 5, 3) + 1
    window = np.array([-1, -1, 7, 8, 9, 10, 11, 12, 13, -1])
    chosen = tokens(window, features, first=5)
    assert chosen.shape == (50, 3)
    assert chosen.dtype == np.float16
    assert not chosen[:10].any()
    assert not chosen[45:].any()
    np.testing.assert_array_equal(chosen[10:15], features[2])
    np.testing.assert_array_equal(chosen[40:45], features[8])


def test_position_encoding_is_the_sinusoids() -> None:
    encoding = position_encoding()
    assert encoding.shape == (50, 384)
    assert encoding.dtype == np.float32
    for position in (0, 1, 49):
        for pair in (0, 1, 100, 191):
            angle = position * math.exp(-2 * pair * math.log(10_000) / 384)
            assert encoding[position, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-6)
            assert encoding[position, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-6)
