"""The frame loop: one thread draws the frames of every running job, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.cancel import CancelToken
from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import LipSync, Shot
from engine.video.i420 import I420


class DrawnFrame:
    """One shot on its way through the loop."""

    def picture(self, cancel: CancelToken) -> I420:
        """Wait until the shot is drawn, and finish it in the calling thread. Called once.

        Raises Cancelled, DeviceMemoryFull, and what the renderer raises.
        """
        raise NotImplementedError


class JobFrames:
    """One job's frames in the loop. ``device_seconds``: its share of the device's time so far."""

    device_seconds: float

    def draw(self, shot: Shot) -> DrawnFrame:
        """Queue a shot, which has a box, behind the job's others; never waits."""
        raise NotImplementedError


class FrameLoop:
    """Draws with ``lipsync`` on ``thread`` for every job of the worker."""

    def __init__(self, lipsync: LipSync, thread: ModelThread) -> None:
        raise NotImplementedError

    @property
    def worn(self) -> bool:
        """Whether the device ran out of memory twice: a fresh process should take the worker's place."""
        raise NotImplementedError

    @contextmanager
    def job(self) -> Iterator[JobFrames]:
        """A job's place in the loop. Leaving it drops what is queued, and returns when none is in flight."""
        raise NotImplementedError
