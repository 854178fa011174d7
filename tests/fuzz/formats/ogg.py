"""Ogg: pages with a checksum (RFC 3533), which has to be right for a reader to look into them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.formats.field import Field, Kind, Order, numbers

MAGIC = b"OggS"
HEADER = 27
FLAGS, GRANULE, CHECKSUM, SEGMENTS = 5, 6, 22, 26
POLYNOMIAL = 0x04C11DB7


def fields(data: bytes) -> Iterator[Field]:
    """Of every page its flags, granule, serial, sequence and segments, and what stands at its beginning."""
    for start, end in pages(data):
        yield Field(start + FLAGS, 1, Kind.TYPE)
        yield Field(start + GRANULE, 8, Kind.NUMBER, Order.LITTLE)
        yield from numbers(start + GRANULE + 8, start + CHECKSUM, 4, Order.LITTLE)
        segments = data[start + SEGMENTS]
        yield from (Field(start + HEADER + at, 1, Kind.SIZE) for at in range(min(segments, 4)))
        body = start + HEADER + segments
        yield from numbers(body, min(body + 32, end), 4, Order.LITTLE)


def pages(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each page begins and ends."""
    start = data.find(MAGIC)
    while start >= 0 and start + HEADER <= len(data):
        sizes = data[start + HEADER : start + HEADER + data[start + SEGMENTS]]
        end = min(start + HEADER + len(sizes) + sum(sizes), len(data))
        yield start, end
        start = data.find(MAGIC, end)


def sealed(data: bytes) -> bytes:
    """The file with every page's checksum right."""
    made = bytearray(data)
    for start, end in pages(data):
        made[start + CHECKSUM : start + SEGMENTS] = bytes(4)
        made[start + CHECKSUM : start + SEGMENTS] = _checksum(made[start:end]).to_bytes(4, "little")
    return bytes(made)


def _checksum(page: bytes | bytearray) -> int:
    """The CRC-32 of RFC 3533, 6: not reflected, from 0."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


def _entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (POLYNOMIAL if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


_TABLE = tuple(map(_entry, range(256)))
