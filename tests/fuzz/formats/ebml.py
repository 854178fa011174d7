"""Matroska and WebM: elements of an id, a size and a body (RFC 8794)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.formats.field import Field, Kind, Order, numbers

MASTERS = {
    0x1A45DFA3,  # EBML
    0x18538067,  # Segment
    0x114D9B74,  # SeekHead
    0x4DBB,  # Seek
    0x1549A966,  # Info
    0x1654AE6B,  # Tracks
    0xAE,  # TrackEntry
    0xE0,  # Video
    0xE1,  # Audio
    0x55B0,  # Colour
    0x1F43B675,  # Cluster
    0xA0,  # BlockGroup
    0x1C53BB6B,  # Cues
    0xBB,  # CuePoint
    0xB7,  # CueTrackPositions
    0x1254C367,  # Tags
}
LONGEST_NUMBER = 8
BLOCK_NUMBERS = 8
"""Bytes at the beginning of a longer body: of a block, its track, time and flags."""


def fields(data: bytes) -> Iterator[Field]:
    """Every element's id and size, and the bodies that are numbers."""
    return _elements(data, 0, len(data))


def _elements(data: bytes, start: int, end: int) -> Iterator[Field]:
    while start < end:
        id_bytes = _length(data[start])
        at = start + id_bytes
        if at >= end:
            return
        size = Field(at, _length(data[at]), Kind.SIZE, Order.VINT)
        body = at + size.size
        if body > end:
            return
        yield Field(start, id_bytes, Kind.TYPE)
        yield size
        stop = min(body + size.read(data), end)
        yield from _body(data, int.from_bytes(data[start:at]), body, stop)
        start = stop


def _body(data: bytes, identity: int, start: int, end: int) -> Iterator[Field]:
    if identity in MASTERS:
        yield from _elements(data, start, end)
    elif 0 < end - start <= LONGEST_NUMBER:
        yield Field(start, end - start, Kind.NUMBER)
    else:
        yield from numbers(start, min(start + BLOCK_NUMBERS, end), 2)


def _length(first: int) -> int:
    """How many bytes a number has whose first byte this is."""
    return min(9 - first.bit_length(), 8)
