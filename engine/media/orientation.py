"""How a stored picture is turned and mirrored before it is shown."""

from __future__ import annotations

import struct

import av
from av.sidedata.sidedata import SideDataContainer, Type

from engine.media.graph import Chain, picture_source

LAST_SIDE_DATA = 31
"""AV_FRAME_DATA_EXIF, the newest kind in FFmpeg 8."""

MATRIX = struct.Struct("=9i")

_FILTERS: dict[tuple[int, int, int, int], tuple[str, ...]] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): ("transpose=clock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (0, -1, 1, 0): ("transpose=cclock",),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}


def turning_filters(display_matrix: bytes | None) -> tuple[str, ...]:
    """The filters that show a picture upright, for a display matrix as libav gives it.

    The matrix is nine int32 in rows (a, b, u), (c, d, v), (x, y, w): a stored point (p, q) is shown
    at (a p + c q + x, b p + d q + y) (ISO/IEC 14496-12, 6.2.2). A JPEG's EXIF orientation comes as
    one too. An angle between the right ones goes to the nearest; a matrix without one shows nothing
    and is ignored.
    """
    if display_matrix is None or len(display_matrix) != MATRIX.size:
        return ()
    a, b, _, c, d, *_ = MATRIX.unpack(display_matrix)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _FILTERS.get((_sign(a), 0, 0, _sign(d)), ())
    return _FILTERS.get((0, _sign(b), _sign(c), 0), ())


def display_matrix(frame: av.VideoFrame) -> bytes | None:
    """The frame's display matrix, if it has one."""
    try:
        side_data: object = frame.side_data
    except ValueError:
        # PyAV can't list side data of kinds newer than its own table, such as a photograph's EXIF.
        side_data = _without_new_side_data(frame).side_data
    matrix = side_data.get(Type.DISPLAYMATRIX) if isinstance(side_data, SideDataContainer) else None
    return bytes(matrix) if matrix is not None else None


def _without_new_side_data(frame: av.VideoFrame) -> av.VideoFrame:
    newer = range(len(Type), LAST_SIDE_DATA + 1)
    chain = Chain(picture_source(frame), tuple(f"sidedata=mode=delete:type={kind}" for kind in newer), "buffersink")
    return next(bare for bare in chain.push(frame) if isinstance(bare, av.VideoFrame))


def swaps_sides(filters: tuple[str, ...]) -> bool:
    """Whether width and height change places."""
    return any(name.startswith("transpose") for name in filters)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
