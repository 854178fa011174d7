"""What a fragment of the video holds, read from its header.

Boxes as in ISO/IEC 14496-12: 8.8.7 tfhd, 8.8.8 trun, 8.8.3.1 for a sample's flags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PICTURE_TRACK = 1

_HEADER = 8
_NOT_A_KEYFRAME = 0x10000
_TRUN_DATA_OFFSET, _TRUN_FIRST_FLAGS = 0x1, 0x4
_TRUN_DURATIONS, _TRUN_SIZES, _TRUN_FLAGS = 0x100, 0x200, 0x400
_TFHD_FIELDS = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4))
"""What lies between a tfhd's track and its default flags: the bit that says it is there, and its bytes."""
_TFHD_FLAGS = 0x20


@dataclass(frozen=True)
class Span:
    """frames: how many pictures a fragment holds. keyframe: whether the first of them stands by itself."""

    frames: int
    keyframe: bool


def span_of(fragment: bytes) -> Span:
    """Of a moof with its mdat, as engine/video/fragments.py hands them out. A fragment of sound alone has no frames."""
    for track in _within(fragment, b"moof", b"traf"):
        tfhd = next(_within(track, b"tfhd"))
        if _number(tfhd, 4) == PICTURE_TRACK:
            runs = list(_within(track, b"trun"))
            return Span(sum(_number(run, 4) for run in runs), _begins_with_keyframe(tfhd, runs[0]))
    return Span(0, keyframe=False)


def _within(data: bytes, *path: bytes) -> Iterator[bytes]:
    """The contents of all boxes that ``path`` leads to."""
    at = 0
    while at < len(data):
        size = _number(data, at)
        if size < _HEADER:
            raise ValueError("a fragment's boxes have to give their sizes")
        if data[at + 4 : at + _HEADER] == path[0]:
            content = data[at + _HEADER : at + size]
            yield from _within(content, *path[1:]) if path[1:] else (content,)
        at += size


def _begins_with_keyframe(tfhd: bytes, run: bytes) -> bool:
    flags = _first_flags(run)
    if flags is None:
        flags = _default_flags(tfhd)
    return not flags & _NOT_A_KEYFRAME


def _first_flags(run: bytes) -> int | None:
    """The first sample's own flags; None where it has the track's."""
    says = _number(run, 0)
    at = 8 + 4 * bool(says & _TRUN_DATA_OFFSET)
    if says & _TRUN_FIRST_FLAGS:
        return _number(run, at)
    if says & _TRUN_FLAGS:
        return _number(run, at + 4 * bool(says & _TRUN_DURATIONS) + 4 * bool(says & _TRUN_SIZES))
    return None


def _default_flags(tfhd: bytes) -> int:
    says = _number(tfhd, 0)
    if not says & _TFHD_FLAGS:
        raise ValueError("a fragment has to say which of its pictures are keyframes")
    return _number(tfhd, 8 + sum(size for bit, size in _TFHD_FIELDS if says & bit))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
