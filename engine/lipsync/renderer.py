"""What a renderer is: a Preparer that looks at an avatar once, and a LipSync that draws its mouth for ever after.

Everything else (ingest, composition, encoding, storage) is shared between renderers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.video.i420 import I420, Box, Bytes

if TYPE_CHECKING:
    # Nothing here runs it: what draws needs no pydantic.
    from engine.lipsync.options import PreparationOptions

Array = NDArray[Any]
Feature = Any
"""What a renderer's listener makes of one frame's sound; only that renderer's ``draw`` looks into it."""

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


class DeviceMemoryExhausted(Exception):
    """The device has no memory for a batch; a smaller one may still fit."""


class DeviceBroken(Exception):
    """The device has failed in a way that this process can't get over: whatever it is asked next will fail too."""


class FrameSource(Protocol):
    """An avatar's normalised frames, which can be walked through as often as needed.

    They may still be coming in while they are walked through for the first time.
    """

    @property
    def count(self) -> int:
        """How many there are; before the first walk has ended, about how many."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        ...

    def frame(self, index: int) -> I420:
        """Frame ``index``, 0 <= index < count."""
        ...

    def __iter__(self) -> Iterator[I420]: ...


@dataclass(frozen=True)
class FacePlace:
    """A rectangle within a frame, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def within(cls, size: tuple[int, int], left: float, top: float, right: float, bottom: float) -> FacePlace:
        """What lies in a frame of ``size`` = (width, height) of a rectangle that may reach beyond it."""
        edges = (
            round(min(max(0, edge), limit)) for edge, limit in zip((left, top, right, bottom), 2 * size, strict=True)
        )
        left, top, right, bottom = edges
        return cls(left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Face:
    """What is known of an avatar's face, for people. place: where the first frame with a face shows it, if measured."""

    width: int
    height: int
    share_of_frames: float
    warnings: tuple[str, ...] = ()
    place: FacePlace | None = None


@dataclass(frozen=True)
class FaceTrack:
    """Where each frame's face is drawn, and what the renderer keeps of it.

    boxes: (N, 4) int32: left, top, right, bottom, all even, within the frame; zeros where a frame has no face.
    mask_index: (N,) int32 into ``masks``, -1 where a frame has no face.
    masks: uint8 arrays of (box height, box width), 255 where the renderer's picture replaces the frame's.
    data: the renderer's own arrays by name, with N rows each.
    """

    boxes: NDArray[np.int32]
    mask_index: NDArray[np.int32]
    masks: tuple[Bytes, ...]
    data: Mapping[str, Array]
    face: Face

    def box(self, index: int) -> Box | None:
        """The box of frame ``index``, or None where the frame passes through unchanged."""
        if self.mask_index[index] < 0:
            return None
        left, top, right, bottom = (int(edge) for edge in self.boxes[index])
        return Box(left, top, right, bottom)

    def mask(self, index: int) -> Bytes:
        return self.masks[int(self.mask_index[index])]


@dataclass(frozen=True)
class Shot:
    """One output frame to draw: the avatar's frame, where it stands in the avatar, and what is heard in it."""

    frame: I420
    index: int
    track: FaceTrack
    feature: Feature


class Preparer(Protocol):
    """Looks at every frame of an avatar once."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str:
        """Changes whenever the same frames would give another track: part of the avatar's key."""
        ...

    @property
    def heeds(self) -> frozenset[str]:
        """The names of the PreparationOptions that it heeds: these alone are part of the avatar's key."""
        ...

    def prepare(
        self, frames: FrameSource, options: PreparationOptions, progress: Progress, cancel: CancelToken
    ) -> FaceTrack:
        """Find and measure the face.

        Raises NoFace when fewer than half of the frames show one, Cancelled when ``cancel`` says so.
        """
        ...


class Listener(Protocol):
    """Turns one job's sound into one feature a frame, as the sound comes."""

    def push(self, heard: NDArray[np.float32]) -> list[Feature]:
        """Take mono 16 kHz samples in [-1, 1]; return the features of the frames that are now decided, in order."""
        ...

    def finish(self) -> list[Feature]:
        """The sound has ended: the features of the remaining frames, up to ceil(L / 640) in all."""
        ...


Finish = Callable[[], I420]
"""Makes of a drawn face the picture of its shot's box, in whatever thread asks for it."""


class Drawing(Protocol):
    """A batch that the device is at."""

    def wait(self) -> list[Finish]:
        """Wait for the device: how each shot of the batch is finished, in order. Called once, by the model's thread.

        Raises DeviceMemoryExhausted and DeviceBroken.
        """
        ...


class LipSync(Protocol):
    """Draws mouths. One object serves every job of the worker; all but ``listen`` belongs to the model's thread."""

    @property
    def name(self) -> str: ...

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """How many shots are drawn at once, rising: a batch of another number is filled up to the next of these."""
        ...

    def listen(self, *, live: bool) -> Listener:
        """A fresh listener for one job's sound, used by one thread at a time.

        ``live``: features are decided as early as they can be, from the sound so far; else from as much of the sound
        as the renderer hears at once.
        """
        ...

    def begin(self, shots: Sequence[Shot]) -> Drawing:
        """Start to draw up to ``batch_sizes[-1]`` shots, each of which has a box; return while the device is at it.

        The next batch may begin before this one has been waited for. Raises DeviceMemoryExhausted and DeviceBroken.
        """
        ...

    def relieve(self) -> None:
        """Give back what memory of the device is held for later, after DeviceMemoryExhausted."""
        ...

    def warm(self) -> None:
        """Draw every batch size once in vain, where the first drawing would otherwise load what later ones have."""
        ...
