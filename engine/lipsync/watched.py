"""Walks through an avatar's frames that can be followed and stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from engine.cancel import CancelToken
from engine.lipsync.renderer import FrameSource, Progress
from engine.stages import beside
from engine.video.i420 import I420

AHEAD = 2
"""Decoded frames that wait to be looked at."""


def decoded(frames: Iterable[I420], cancel: CancelToken) -> Generator[I420, None, None]:
    """The frames in order. Raises Cancelled."""
    for frame in frames:
        cancel.check()
        yield frame


@contextmanager
def watched(frames: FrameSource, progress: Progress, cancel: CancelToken) -> Iterator[Iterator[I420]]:
    """The frames in order, decoded beside whoever looks at them; ``progress`` is told of each when it is done with.

    Raises Cancelled where a frame is taken.
    """
    with beside(decoded(frames, cancel), AHEAD, "decoding") as pictures:
        yield _followed(pictures, frames, progress, cancel)


def _followed(pictures: Iterator[I420], frames: FrameSource, progress: Progress, cancel: CancelToken) -> Iterator[I420]:
    for index, picture in enumerate(pictures, start=1):
        cancel.check()
        yield picture
        progress(index / max(index, frames.count))
