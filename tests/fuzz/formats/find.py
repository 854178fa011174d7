"""Which format a file has, by its first bytes, and so where its structure stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.fuzz.formats import boxes, chunks, ebml, jpeg, ogg
from tests.fuzz.formats.field import Field, numbers

UNKNOWN_HEAD = 64
"""Of a file in no format that is known here, so many bytes count as numbers."""

WALKS: tuple[tuple[bytes, Callable[[bytes], Iterator[Field]]], ...] = (
    (b"\x1a\x45\xdf\xa3", ebml.fields),
    (b"RIFF", chunks.riff_fields),
    (b"FORM", chunks.riff_fields),
    (b"\x89PNG", chunks.png_fields),
    (b"fLaC", chunks.flac_fields),
    (b"\xff\xd8\xff", jpeg.fields),
    (b"OggS", ogg.fields),
)
FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"styp", b"moof"}


def fields_of(data: bytes) -> list[Field]:
    """All that the file's structure says; of an unknown format, its first bytes. Empty for fewer than two bytes."""
    for magic, walk in WALKS:
        if data.startswith(magic):
            return list(walk(data))
    if data[4:8] in FIRST_BOXES:
        return list(boxes.fields(data))
    return numbers(0, min(len(data), UNKNOWN_HEAD), 2)
