"""One picture as planar YUV 4:2:0, the only form frames have between ingest and encoder.

Everywhere in the service it is BT.709 in limited range (Y 16-235, U and V 16-240), whatever the
source was; files are tagged so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, right and bottom exclusive; all four even, so that chroma splits evenly."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def empty(self) -> bool:
        return self.width <= 0 or self.height <= 0


@dataclass(frozen=True)
class I420:
    """A picture of even width W and height H.

    ``packed`` is uint8 of shape (3 H / 2, W), C-contiguous: H rows of Y, then U, then V, each of
    H / 2 x W / 2 samples. The planes are views into it.
    """

    packed: Bytes

    def __post_init__(self) -> None:
        rows, width = self.packed.shape
        if rows % 3 or width % 2 or not self.packed.flags.c_contiguous or self.packed.dtype != np.uint8:
            raise ValueError("an I420 picture is C-contiguous uint8 of shape (3 H / 2, W), H and W even")

    @classmethod
    def blank(cls, width: int, height: int) -> I420:
        """A picture with nothing written into it yet."""
        return cls(np.empty((height * 3 // 2, width), np.uint8))

    @property
    def width(self) -> int:
        return int(self.packed.shape[1])

    @property
    def height(self) -> int:
        return int(self.packed.shape[0]) * 2 // 3

    @property
    def y(self) -> Bytes:
        return self.packed[: self.height]

    @property
    def u(self) -> Bytes:
        return self._chroma(0)

    @property
    def v(self) -> Bytes:
        return self._chroma(1)

    def _chroma(self, which: int) -> Bytes:
        size = self.width * self.height
        start = size + which * size // 4
        return self.packed.reshape(-1)[start : start + size // 4].reshape(self.height // 2, self.width // 2)

    def crop(self, box: Box) -> I420:
        """A copy of the part inside ``box``."""
        part = I420.blank(box.width, box.height)
        part.y[:] = self.y[box.top : box.bottom, box.left : box.right]
        half = (slice(box.top // 2, box.bottom // 2), slice(box.left // 2, box.right // 2))
        part.u[:] = self.u[half]
        part.v[:] = self.v[half]
        return part

    def copy(self) -> I420:
        return I420(self.packed.copy())
