"""A place in a file that says something of the rest of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """``SIZE``: of what follows. ``TYPE``: its name. ``NUMBER``: a count, time, rate, dimension or flag."""

    SIZE = "size"
    TYPE = "type"
    NUMBER = "number"


class Order(Enum):
    """How a number lies in its bytes. ``VINT``: as in EBML, a leading one bit telling how many bytes there are."""

    BIG = "big"
    LITTLE = "little"
    VINT = "vint"


@dataclass(frozen=True)
class Field:
    """Bytes [start, start + size) of a file."""

    start: int
    size: int
    kind: Kind
    order: Order = Order.BIG

    @property
    def bits(self) -> int:
        """How many bits the number has room for."""
        return 7 * self.size if self.order is Order.VINT else 8 * self.size

    def read(self, data: bytes) -> int:
        """The number that stands there."""
        value = int.from_bytes(self._bytes(data), "little" if self.order is Order.LITTLE else "big")
        return value & ((1 << self.bits) - 1)

    def written(self, data: bytes, value: int) -> bytes:
        """The file with another number there, cut to the room that there is."""
        value &= (1 << self.bits) - 1
        if self.order is Order.VINT:
            value |= 1 << self.bits
        written = value.to_bytes(self.size, "little" if self.order is Order.LITTLE else "big")
        return data[: self.start] + written + data[self.start + self.size :]

    def _bytes(self, data: bytes) -> bytes:
        return data[self.start : self.start + self.size]


def numbers(start: int, end: int, size: int = 4, order: Order = Order.BIG) -> list[Field]:
    """Numbers of one size in a row, as many as fit."""
    return [Field(at, size, Kind.NUMBER, order) for at in range(start, end - size + 1, size)]
