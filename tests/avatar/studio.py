"""Tiny clips, a preparer that always finds the same box, and a worker's library around them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.avatar.cache import BundleCache
from engine.avatar.library import AvatarLibrary
from engine.avatar.preparation import Preparation
from engine.cancel import CancelToken
from engine.errors import NoFace
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import Face, FacePlace, FaceTrack, FrameSource, Progress
from engine.media.limits import MediaLimits
from engine.store.local import LocalStore

WIDTH, HEIGHT, FRAMES = 96, 64, 6
LIMITS = MediaLimits(
    max_bytes=10_000_000, max_seconds=10, max_pixels=1_000_000, memory_bytes=3_000_000_000, decode_seconds=60
)
OPTIONS = PreparationOptions()


def write_clip(path: Path, frames: int = FRAMES, hue: int = 0) -> Path:
    """A video of soft stripes that move; another ``hue`` is another video."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, 25)
        columns = np.arange(WIDTH)
        for number in range(frames):
            row = (128 + 60 * np.sin((columns + 4 * number) / 9 + hue)).astype(np.uint8)
            picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            picture[:HEIGHT] = row
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@dataclass
class FixedBox:
    """A Preparer that finds one box in every frame but the first, which has none."""

    begun: int = 0
    options: PreparationOptions | None = None
    revision: str = "1"
    at_work: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    faceless: bool = False

    def __post_init__(self) -> None:
        self.go_on.set()

    @property
    def name(self) -> str:
        return "fixed-box"

    @property
    def heeds(self) -> frozenset[str]:
        return frozenset({"extra_margin"})

    def prepare(
        self, frames: FrameSource, options: PreparationOptions, progress: Progress, cancel: CancelToken
    ) -> FaceTrack:
        self.begun += 1
        self.options = options
        self.at_work.set()
        for done, _ in enumerate(frames, start=1):
            cancel.check()
            progress(done / frames.count)
        while not self.go_on.wait(0.01):
            cancel.check()
        if self.faceless:
            raise NoFace("No face at 0 to 1 seconds.")
        boxes = np.tile(np.array([10, 20, 30, 36], np.int32), (frames.count, 1))
        boxes[0] = 0
        mask_index = np.zeros(frames.count, np.int32)
        mask_index[0] = -1
        mouth = np.arange(frames.count, dtype=np.float32)
        face = Face(20, 16, 0.8, place=FacePlace(10, 20, 20, 16))
        return FaceTrack(boxes, mask_index, (np.full((16, 20), 255, np.uint8),), {"mouth": mouth}, face)


@dataclass(frozen=True)
class Worker:
    """One worker's own disk, and the store that it shares with others."""

    disk: Path
    store: LocalStore
    preparer: FixedBox
    library: AvatarLibrary

    @classmethod
    def start(cls, disk: Path, store: Path) -> Worker:
        preparer, local = FixedBox(), LocalStore(store)
        cache = BundleCache(disk / "cache", 100_000_000)
        return cls(disk, local, preparer, AvatarLibrary(local, cache, Preparation(preparer, LIMITS), disk / "scratch"))

    def stored(self) -> list[str]:
        """Every object's key."""
        return [item.key for item in self.store.list("")]

    def files(self) -> list[str]:
        """Every file of the worker's own disk."""
        return sorted(str(path.relative_to(self.disk)) for path in self.disk.rglob("*") if path.is_file())


def silent(stage: str, share: float) -> None:
    """A progress that nobody hears."""


def cancelling_at(stage: str, share: float, cancel: CancelToken) -> Callable[[str, float], None]:
    """A progress that cancels the job when it comes to that share of that stage."""

    def told(now: str, done: float) -> None:
        if now == stage and done >= share:
            cancel.cancel()

    return told
