"""Whether a WAV file holds as much sound as it says: libav takes what is there and doesn't tell."""

from __future__ import annotations

import os
from typing import BinaryIO

_HEADER_BYTES = 8
_PLACEHOLDER = 0x7FFF0000
"""Sizes from here on are what writers put there who could not know the size."""

_MOST_CHUNKS = 100


def is_cut_short(source: BinaryIO) -> bool:
    """Whether more than a hundredth of a WAV file's sound is missing at its end; False for every other file.

    ``source`` is left at its beginning.
    """
    try:
        source.seek(0)
        begin = source.read(12)
        return begin[:4] == b"RIFF" and begin[8:] == b"WAVE" and _misses_data(source)
    finally:
        source.seek(0)


def _misses_data(source: BinaryIO) -> bool:
    end = os.fstat(source.fileno()).st_size
    for _ in range(_MOST_CHUNKS):
        header = source.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return False
        size = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            return size < _PLACEHOLDER and source.tell() + size - end > size // 100
        source.seek(size + size % 2, os.SEEK_CUR)
    return False
