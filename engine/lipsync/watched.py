"""A walk through an avatar's frames that can be followed and stopped."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cancel import CancelToken
from engine.lipsync.renderer import FrameSource, Progress
from engine.video.i420 import I420


def watched(frames: FrameSource, progress: Progress, cancel: CancelToken) -> Iterator[I420]:
    """The frames in order; ``progress`` is told of each when it is done with. Raises Cancelled."""
    for index, frame in enumerate(frames):
        cancel.check()
        yield frame
        progress((index + 1) / frames.count)
