"""Prepared avatars in memory: what was read of them, and their frames and masks once they have been made ready.

Who may stay where not everything fits:
- What a job reads stays. Of the other avatars the one whose last use is longest ago makes room first, what was made
  last before what was made first: a job begins with an avatar's first frames.
- What is made for the first time takes free room only; what has to be made again displaces. So an avatar that is
  walked through once displaces nothing, and one that is larger than the room keeps the same part of itself in it
  instead of chasing its own frames out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.lipsync.renderer import Array, FaceTrack
from engine.video.compose import Alpha
from engine.video.i420 import I420
from engine.video.intra import IntraIndex

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class OpenedBundle:
    """What a bundle's files say, but for the frames."""

    track: FaceTrack
    index: IntraIndex

    @property
    def bytes(self) -> int:
        """Bytes of all arrays."""
        track = self.track
        arrays: tuple[Array, ...] = (
            track.boxes,
            track.mask_index,
            *track.masks,
            *track.data.values(),
            self.index.offsets,
        )
        return sum(array.nbytes for array in arrays)


class Parts(Generic[T]):
    """What is held of one kind, by number. refused: what found no free room when it was first made."""

    def __init__(self, size_of: Callable[[T], int]) -> None:
        self.size_of = size_of
        self.bytes = 0
        self.refused: set[int] = set()
        self._held: dict[int, T] = {}

    def get(self, number: int) -> T | None:
        return self._held.get(number)

    def add(self, number: int, part: T) -> None:
        self._held[number] = part
        self.bytes += self.size_of(part)

    def shed(self, wanted: int) -> int:
        """Let go of the latest until so many bytes are free, or all is gone; how many are free."""
        freed = 0
        while self._held and freed < wanted:
            freed += self.size_of(self._held.popitem()[1])
        self.bytes -= freed
        return freed


class HeldAvatar:
    """One avatar as it lies in memory; all jobs that speak with it have the same. AvatarMemory alone changes it.

    jobs: how many read it at the moment.
    """

    def __init__(self, name: str, opened: OpenedBundle) -> None:
        self.name = name
        self.opened = opened
        self.jobs = 0
        self.frames: Parts[I420] = Parts(lambda frame: frame.packed.nbytes)
        self.alphas: Parts[Alpha] = Parts(lambda alpha: alpha.luma.nbytes + alpha.chroma.nbytes)

    @property
    def bytes(self) -> int:
        return self.opened.bytes + self.frames.bytes + self.alphas.bytes


class AvatarMemory:
    """Holds prepared avatars within ``budget_bytes``, counting the bytes of their arrays. Serves all threads.

    What finds no room is made anew each time it is asked for; with a budget of 0 that is everything.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._avatars: OrderedDict[str, HeldAvatar] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes that are held."""
        with self._guard:
            return self._bytes()

    def names(self) -> list[str]:
        """The avatars that are held."""
        with self._guard:
            return list(self._avatars)

    def open(self, name: str, read: Callable[[], OpenedBundle]) -> HeldAvatar:
        """The avatar as it is held, else as ``read`` finds it. Raises what ``read`` raises."""
        with self._guard:
            if (held := self._avatars.get(name)) is not None:
                self._avatars.move_to_end(name)
                return held
        read_anew = HeldAvatar(name, read())
        with self._guard:
            # Another job may have read it at the same time: the two are to share.
            if name not in self._avatars and self._has_room(read_anew, read_anew.bytes, displacing=True):
                self._avatars[name] = read_anew
            return self._avatars.get(name, read_anew)

    def begin(self, avatar: HeldAvatar) -> None:
        """A job begins to read: until ``end`` nothing of the avatar makes room for others."""
        with self._guard:
            avatar.jobs += 1

    def end(self, avatar: HeldAvatar) -> None:
        with self._guard:
            avatar.jobs -= 1

    def frame(self, avatar: HeldAvatar, index: int, decode: Callable[[], I420]) -> I420:
        """A frame that can't be written to; ``decode`` makes it where it isn't held. Raises what ``decode`` raises."""
        return self._part(avatar, avatar.frames, index, lambda: _sealed_frame(decode()))

    def alpha(self, avatar: HeldAvatar, which: int) -> Alpha:
        """Mask ``which`` of the avatar's track made ready for composition; it can't be written to."""
        mask = avatar.opened.track.masks[which]
        return self._part(avatar, avatar.alphas, which, lambda: _sealed_alpha(Alpha.of(mask)))

    def drop(self, prefix: str) -> None:
        """Forget the avatars whose names begin so. Jobs that read them go on, and nothing more of them is held."""
        with self._guard:
            for name in [each for each in self._avatars if each.startswith(prefix)]:
                avatar = self._avatars.pop(name)
                avatar.frames.shed(avatar.frames.bytes)
                avatar.alphas.shed(avatar.alphas.bytes)

    def _part(self, avatar: HeldAvatar, parts: Parts[T], number: int, make: Callable[[], T]) -> T:
        with self._guard:
            if (part := parts.get(number)) is not None:
                self._avatars.move_to_end(avatar.name)
                return part
        made = make()
        with self._guard:
            return self._kept(avatar, parts, number, made)

    def _kept(self, avatar: HeldAvatar, parts: Parts[T], number: int, made: T) -> T:
        """``made``, which is held from now on if it may; or the same as another job has made it meanwhile."""
        if self._avatars.get(avatar.name) is not avatar:
            return made
        if (part := parts.get(number)) is not None:
            return part
        self._avatars.move_to_end(avatar.name)
        if self._has_room(avatar, parts.size_of(made), displacing=number in parts.refused):
            parts.refused.discard(number)
            parts.add(number, made)
        else:
            parts.refused.add(number)
        return made

    def _has_room(self, avatar: HeldAvatar, size: int, *, displacing: bool) -> bool:
        """Whether ``size`` bytes of ``avatar`` fit, after what is ``displacing`` has made room for itself."""
        lacking = self._bytes() + size - self._budget
        if lacking <= 0:
            return True
        idle = [other for other in self._avatars.values() if other is not avatar and not other.jobs]
        if not displacing or lacking > sum(other.bytes for other in idle):
            return False
        for other in idle:
            lacking -= self._shed(other, lacking) if lacking > 0 else 0
        return True

    def _shed(self, avatar: HeldAvatar, wanted: int) -> int:
        """Let go of so many bytes of the avatar, or of the whole of it; how many are free."""
        freed = avatar.frames.shed(wanted)
        freed += avatar.alphas.shed(wanted - freed)
        if freed < wanted:
            del self._avatars[avatar.name]
            freed += avatar.opened.bytes
        return freed

    def _bytes(self) -> int:
        return sum(avatar.bytes for avatar in self._avatars.values())


def _sealed_frame(frame: I420) -> I420:
    frame.packed.setflags(write=False)
    return frame


def _sealed_alpha(alpha: Alpha) -> Alpha:
    alpha.luma.setflags(write=False)
    alpha.chroma.setflags(write=False)
    return alpha
