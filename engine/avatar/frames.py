"""An avatar's frames as a job reads them: from memory, and from the bundle where memory doesn't hold them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from engine.avatar.memory import AvatarMemory, HeldAvatar
from engine.video.i420 import I420
from engine.video.intra import IntraReader


class AvatarFrames:
    """A FrameSource for one thread, closed by whoever opened it. Its frames are shared: they can't be written to.

    path: the bundle's file of frames, which is opened for the first frame that isn't held.
    """

    def __init__(self, memory: AvatarMemory, avatar: HeldAvatar, path: Path) -> None:
        self._memory = memory
        self._avatar = avatar
        self._path = path
        self._reader: IntraReader | None = None
        self._closed = False
        memory.begin(avatar)

    def __enter__(self) -> AvatarFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """A second time nothing happens."""
        if self._closed:
            return
        self._closed = True
        self._memory.end(self._avatar)
        if self._reader is not None:
            self._reader.close()

    @property
    def count(self) -> int:
        return self._avatar.opened.index.count

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        index = self._avatar.opened.index
        return index.width, index.height

    def frame(self, index: int) -> I420:
        """Frame ``index``, 0 <= index < count. Raises IndexError outside that, FrameDamaged."""
        return self._memory.frame(self._avatar, index, lambda: self._opened().frame(index))

    def __iter__(self) -> Iterator[I420]:
        return (self.frame(index) for index in range(self.count))

    def _opened(self) -> IntraReader:
        if self._closed:
            raise ValueError("the frames are closed")
        if self._reader is None:
            self._reader = IntraReader(self._path, self._avatar.opened.index)
        return self._reader
