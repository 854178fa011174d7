"""Files of chunks: RIFF (WAV, AVI, WebP), FORM (AIFF), PNG, and FLAC's blocks."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.formats.field import Field, Kind, Order, numbers

HEADER = 8
RIFF_BEGIN = 12
"""Bytes of ``RIFF``, the file's size and its kind; of a list within it the same."""
LISTS = {b"LIST", b"RIFF"}
PNG_BEGIN, PNG_CHECKSUM = 8, 4
FLAC_BEGIN, FLAC_HEADER = 4, 4
MOST_NUMBERS = 16
CONTENT = {b"data", b"SSND", b"IDAT", b"movi"}


def riff_fields(data: bytes) -> Iterator[Field]:
    """Every chunk's type and size, and what stands at its beginning."""
    order = Order.BIG if data[:4] == b"FORM" else Order.LITTLE
    if len(data) < RIFF_BEGIN:
        return
    yield Field(0, 4, Kind.TYPE)
    yield Field(4, 4, Kind.SIZE, order)
    yield Field(8, 4, Kind.TYPE)
    yield from _riff_chunks(data, RIFF_BEGIN, len(data), order)


def _riff_chunks(data: bytes, start: int, end: int, order: Order) -> Iterator[Field]:
    while start + HEADER <= end:
        kind, size = data[start : start + 4], Field(start + 4, 4, Kind.SIZE, order)
        yield Field(start, 4, Kind.TYPE)
        yield size
        body, stop = start + HEADER, min(start + HEADER + size.read(data), end)
        if kind in LISTS and body + 4 <= stop:
            yield Field(body, 4, Kind.TYPE)
            yield from _riff_chunks(data, body + 4, stop, order)
        elif kind not in CONTENT:
            yield from _beginning(body, stop, order)
        start = stop + stop % 2


def png_fields(data: bytes) -> Iterator[Field]:
    """Every chunk's size and type, and what stands at its beginning."""
    start = PNG_BEGIN
    while start + HEADER <= len(data):
        size = Field(start, 4, Kind.SIZE)
        yield size
        yield Field(start + 4, 4, Kind.TYPE)
        stop = min(start + HEADER + size.read(data), len(data))
        if data[start + 4 : start + HEADER] not in CONTENT:
            yield from _beginning(start + HEADER, stop, Order.BIG)
        start = stop + PNG_CHECKSUM


def flac_fields(data: bytes) -> Iterator[Field]:
    """Every metadata block's type and size, and what stands at its beginning."""
    start = FLAC_BEGIN
    while start + FLAC_HEADER <= len(data):
        size = Field(start + 1, 3, Kind.SIZE)
        yield Field(start, 1, Kind.TYPE)
        yield size
        stop = min(start + FLAC_HEADER + size.read(data), len(data))
        yield from numbers(start + FLAC_HEADER, stop, 2)[:MOST_NUMBERS]
        if data[start] & 0x80:
            return
        start = stop


def _beginning(start: int, end: int, order: Order) -> list[Field]:
    """Words of four bytes, and the last one of two."""
    words = numbers(start, end, 4, order)[:MOST_NUMBERS]
    rest = start + 4 * len(words)
    return [*words, *numbers(rest, min(end, rest + 2), 2, order)]
