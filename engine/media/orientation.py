"""How a stored picture is turned and mirrored before it is shown."""

from __future__ import annotations

import struct

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


def swaps_sides(filters: tuple[str, ...]) -> bool:
    """Whether width and height change places."""
    return any(name.startswith("transpose") for name in filters)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
