"""A lip sync that paints each shot's number, and whose device does as the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.cancel import CancelToken
from engine.drawing.frame_loop import DrawnFrame
from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import Face, FaceTrack, Finish, Listener, Shot
from engine.video.i420 import I420

TRACK = FaceTrack(
    np.array([[0, 0, 2, 2]], np.int32), np.zeros(1, np.int32), (np.full((2, 2), 255, np.uint8),), {}, Face(2, 2, 1.0)
)
FRAME = I420.blank(2, 2)
SECONDS = 20.0
"""How long a test waits for what has to happen."""


def shot(number: int) -> Shot:
    """A shot whose picture shows ``number``, 0 to 255."""
    return Shot(FRAME, 0, TRACK, number)


def painted(number: int) -> I420:
    picture = I420.blank(2, 2)
    picture.packed[:] = number
    return picture


def seen(frame: DrawnFrame, cancel: CancelToken | None = None) -> int:
    """The number that the frame's picture shows."""
    return int(frame.wait(cancel or CancelToken())().y[0, 0])


Fault = Callable[[Sequence[int]], None]
"""Looks at a batch's numbers, and raises or not."""


def nothing(numbers: Sequence[int]) -> None:
    pass


@dataclass
class Easel:
    """``events`` tells what it was asked to do, in order; its device waits while ``ready`` is not set."""

    batch_sizes: tuple[int, ...] = (1, 2, 4)
    name: str = "easel"
    at_begin: Fault = nothing
    at_wait: Fault = nothing
    events: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    waits: threading.Event = field(default_factory=threading.Event)
    relieved: int = 0

    def __post_init__(self) -> None:
        self.ready.set()

    def begin(self, shots: Sequence[Shot]) -> Painting:
        numbers = [int(each.feature) for each in shots]
        self.events.append(f"begin {numbers}")
        assert len(numbers) <= self.batch_sizes[-1]
        self.at_begin(numbers)
        return Painting(self, numbers)

    def relieve(self) -> None:
        self.relieved += 1
        self.events.append("relieve")

    def listen(self, *, live: bool) -> Listener:
        raise NotImplementedError

    def warm(self) -> None:
        raise NotImplementedError


@dataclass
class Painting:
    easel: Easel
    numbers: list[int]

    def wait(self) -> list[Finish]:
        self.easel.events.append(f"wait {self.numbers}")
        self.easel.waits.set()
        assert self.easel.ready.wait(SECONDS)
        self.easel.at_wait(self.numbers)
        return [partial(painted, number) for number in self.numbers]


class Held:
    """A context in which the thread does nothing, so that what is queued meanwhile is there at once.

    ``holds`` is set when the thread has done what was posted before.
    """

    def __init__(self, thread: ModelThread) -> None:
        self.holds = threading.Event()
        self._thread = thread
        self._go_on = threading.Event()

    def __enter__(self) -> None:
        self._thread.post(self._hold)

    def __exit__(self, *_: object) -> None:
        self._go_on.set()

    def _hold(self) -> None:
        self.holds.set()
        assert self._go_on.wait(SECONDS)
