"""The frame loop: one thread draws the frames of every running job, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.cancel import CancelToken
from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import Finish, LipSync, Listener, Shot


class DrawnFrame:
    """One shot on its way through the loop."""

    def wait(self, cancel: CancelToken) -> Finish:
        """Wait until the device has drawn the shot: how it is finished, in the caller's thread. Called once.

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
    def batch_sizes(self) -> tuple[int, ...]:
        """The renderer's."""
        raise NotImplementedError

    def listen(self, *, live: bool) -> Listener:
        """The renderer's listener for one job's sound."""
        raise NotImplementedError

    @property
    def worn(self) -> bool:
        """Whether the device ran out of memory twice: a fresh process should take the worker's place."""
        raise NotImplementedError

    @contextmanager
    def job(self) -> Iterator[JobFrames]:
        """A job's place in the loop. Leaving it drops what is queued, and returns when none is in flight."""
        raise NotImplementedError
