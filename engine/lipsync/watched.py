"""Walks through an avatar's frames that can be followed and stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from engine.cancel import CancelToken
from engine.lipsync.renderer import FrameSource, Progress
from engine.video.i420 import I420


def decoded(frames: Iterable[I420], cancel: CancelToken) -> Generator[I420, None, None]:
    """The frames in order. Raises Cancelled."""
    for frame in frames:
        cancel.check()
        yield frame


def watched(frames: FrameSource, progress: Progress, cancel: CancelToken) -> Generator[I420, None, None]:
    """The frames in order; ``progress`` is told of each when it is done with. Raises Cancelled."""
    for index, frame in enumerate(decoded(frames, cancel), start=1):
        yield frame
        progress(index / max(index, frames.count))
