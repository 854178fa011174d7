"""JPEG: segments of a marker and a size, up to the picture itself (ITU-T T.81, B.1)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.formats.field import Field, Kind, numbers

BEGIN = 2
START_OF_SCAN = 0xDA
MOST_NUMBERS = 12


def fields(data: bytes) -> Iterator[Field]:
    """Every segment's marker and size, and what stands at its beginning."""
    start = BEGIN
    while start + 4 <= len(data) and data[start] == 0xFF:
        size = Field(start + 2, 2, Kind.SIZE)
        yield Field(start + 1, 1, Kind.TYPE)
        yield size
        stop = min(start + 2 + size.read(data), len(data))
        yield from numbers(start + 4, stop, 1)[:MOST_NUMBERS]
        if data[start + 1] == START_OF_SCAN:
            return
        start = stop
