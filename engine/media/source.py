"""A caller's file as libav reads it inside the decoding process."""

from __future__ import annotations

import errno
import io
import os


class SourceFile(io.BufferedReader):
    """Tells of a seek that can't be made as libav's own files do, by a negative number.

    An exception would be kept by PyAV and raised from whatever is called next, though libav goes on without the seek.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "rb"))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position, or -errno (AVERROR)."""
        try:
            return super().seek(offset, whence)
        except OSError as error:
            return -(error.errno or errno.EINVAL)
