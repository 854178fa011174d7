"""MP4, MOV and M4A: boxes of a size and a type (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.formats.field import Field, Kind, numbers

HEADER = 8
LARGE = 16
"""Bytes of a header whose size stands in 64 bits behind its type."""
FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"udta", b"mfra"}
PREFIXES = {b"stsd": 8, b"meta": 4, b"dref": 8}
"""What stands in these boxes before the boxes that they hold."""
PICTURES = {b"avc1", b"hvc1", b"hev1", b"mp4v", b"apch", b"png ", b"rle ", b"vp09", b"av01"}
SOUNDS = {b"mp4a", b"alac", b"sowt", b"twos", b"Opus", b"fLaC"}
PREFIXES |= dict.fromkeys(PICTURES, 78) | dict.fromkeys(SOUNDS, 28)
CONTENT = {b"mdat", b"free", b"skip", b"wide"}
MOST_NUMBERS = 24
"""Of one box: tables of samples go on in the same way."""


def fields(data: bytes) -> Iterator[Field]:
    """Every box's size and type, and the numbers of those that hold no others."""
    return _boxes(data, 0, len(data))


def _boxes(data: bytes, start: int, end: int) -> Iterator[Field]:
    while start + HEADER <= end:
        size, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + HEADER]
        yield Field(start, 4, Kind.SIZE)
        yield Field(start + 4, 4, Kind.TYPE)
        header = HEADER
        if size == 1:
            size, header = int.from_bytes(data[start + HEADER : start + LARGE]), LARGE
            yield Field(start + HEADER, 8, Kind.SIZE)
        stop = min(start + size, end) if size else end
        yield from _body(data, kind, start + header, stop)
        if size < header:
            return
        start = stop


def _body(data: bytes, kind: bytes, start: int, end: int) -> Iterator[Field]:
    if kind in FOLDERS:
        yield from _boxes(data, start, end)
    elif kind in PREFIXES:
        inner = start + PREFIXES[kind]
        yield from numbers(start, min(inner, end))
        yield from _boxes(data, inner, end)
    elif kind not in CONTENT:
        yield from numbers(start, end)[:MOST_NUMBERS]
