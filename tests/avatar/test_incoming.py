"""A clip's frames while they come in, and after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.avatar.incoming import IncomingFrames
from engine.cancel import Cancelled, CancelToken
from engine.errors import AvatarTooLong
from engine.media.frames import open_frames
from engine.media.limits import MediaLimits
from engine.video.intra import IntraReader
from tests.avatar.studio import FRAMES, HEIGHT, LIMITS, WIDTH, write_clip


@contextmanager
def incoming(
    folder: Path, frames: int = FRAMES, limits: MediaLimits = LIMITS, cancel: CancelToken | None = None
) -> Iterator[IncomingFrames]:
    clip = write_clip(folder / "clip.mp4", frames)
    with (
        open_frames(clip, limits, cancel or CancelToken()) as stream,
        IncomingFrames(stream, folder / "frames.h264") as found,
    ):
        yield found


def test_every_walk_sees_what_the_file_holds(tmp_path: Path) -> None:
    with incoming(tmp_path) as frames:
        first, again = list(frames), list(frames)
        assert frames.count == FRAMES
        with IntraReader(tmp_path / "frames.h264", frames.index) as reader:
            stored = list(reader)
        assert frames.frame(4).packed.tobytes() == stored[4].packed.tobytes()
    assert [frame.packed.tobytes() for frame in first] == [frame.packed.tobytes() for frame in stored]
    assert [frame.packed.tobytes() for frame in again] == [frame.packed.tobytes() for frame in stored]
    assert len({frame.packed.tobytes() for frame in stored}) == FRAMES


def test_size_and_count_are_known_before(tmp_path: Path) -> None:
    with incoming(tmp_path, 20) as frames:
        assert frames.size == (WIDTH, HEIGHT)
        assert frames.count == 20


def test_frames_are_looked_at_before_the_last_has_come_in(tmp_path: Path) -> None:
    with incoming(tmp_path, 60) as frames:
        walk = iter(frames)
        assert all(np.ptp(frame.y) > 0 for frame in islice(walk, 5))
        with pytest.raises(ValueError, match="not all come in"):
            frames.frame(0)
        with pytest.raises(ValueError, match="not all come in"):
            _ = frames.index
        assert len(list(walk)) == 55
        assert frames.index.count == 60


def test_leaving_early_ends_the_reading(tmp_path: Path) -> None:
    with incoming(tmp_path, 60) as frames:
        walk = iter(frames)
        next(walk)
        del walk
    assert not [thread for thread in threading.enumerate() if thread.name == "reading"]


def test_what_is_wrong_with_the_clip_is_told_where_frames_are_taken(tmp_path: Path) -> None:
    short = MediaLimits(
        max_bytes=10_000_000, max_seconds=1, max_pixels=1_000_000, memory_bytes=3_000_000_000, decode_seconds=60
    )
    with pytest.raises(AvatarTooLong), incoming(tmp_path, 60, short) as frames:
        list(frames)


def test_cancelling_ends_the_walk(tmp_path: Path) -> None:
    cancel = CancelToken()
    with incoming(tmp_path, 60, cancel=cancel) as frames:
        walk = iter(frames)
        next(walk)
        cancel.cancel()
        with pytest.raises(Cancelled):
            list(walk)
