"""A clip's frames as they come in: a preparer looks at the first while later ones are still decoded and written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType

from engine.media.frames import FrameStream
from engine.stages import beside
from engine.timebase import FRAME_RATE
from engine.video.i420 import I420
from engine.video.intra import IntraDecoder, IntraIndex, IntraReader, IntraWriter

AHEAD = 8
"""Written frames that wait to be looked at."""


class IncomingFrames:
    """A FrameSource that writes a bundle's file while it is walked through for the first time, and reads it then.

    The first walk hands out what the file gives back too, so that every walk sees the same pictures. It goes through
    to the end before there is another, or a single frame; until then ``count`` is what the clip's header promises.
    """

    def __init__(self, stream: FrameStream, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._writer = IntraWriter(path, *self.size)
        self._reader: IntraReader | None = None
        self._index: IntraIndex | None = None

    def __enter__(self) -> IncomingFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writer:
            if self._reader is not None:
                self._reader.close()

    @property
    def count(self) -> int:
        return max(1, round(self._stream.info.seconds * FRAME_RATE)) if self._index is None else self._index.count

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._stream.info.width, self._stream.info.height

    @property
    def index(self) -> IntraIndex:
        """Where the frames lie in the file. Raises ValueError before the first walk has ended."""
        if self._index is None:
            raise ValueError("the frames have not all come in")
        return self._index

    def frame(self, index: int) -> I420:
        """Frame ``index``, 0 <= index < count. Raises ValueError before the first walk has ended."""
        return self._arrived().frame(index)

    def __iter__(self) -> Iterator[I420]:
        """Raises what the clip's FrameStream raises."""
        return self._incoming() if self._reader is None else iter(self._reader)

    def _incoming(self) -> Generator[I420, None, None]:
        decoder = IntraDecoder(self.size)
        with beside(self._packets(), AHEAD, "reading") as packets:
            for number, packet in enumerate(packets):
                yield decoder.picture(packet, number)
        self._index = self._writer.close()
        self._reader = IntraReader(self._path, self._index)

    def _packets(self) -> Generator[bytes, None, None]:
        for picture in self._stream:
            yield from self._writer.write(picture)
        yield from self._writer.flush()

    def _arrived(self) -> IntraReader:
        if self._reader is None:
            raise ValueError("the frames have not all come in")
        return self._reader
