"""Prepared avatars that lie damaged in the store, opened by a worker that has never seen them."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.avatar.bundle import PreparedAvatar, is_sound
from engine.avatar.cache import BundleCache
from engine.avatar.library import AvatarLibrary
from engine.avatar.manifest import Manifest
from engine.avatar.preparation import Preparation
from engine.cancel import CancelToken
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.store.local import LocalStore
from engine.video.intra import FrameDamaged
from tests.avatar.studio import LIMITS, OPTIONS, silent
from tests.fuzz.bundle_mutation import MANIFEST, Objects, damaged, packed, unpacked
from tests.fuzz.decoders import no_unforeseen_errors
from tests.fuzz.door import Door
from tests.fuzz.leftovers import nothing_left
from tests.fuzz.media_files import video
from tests.fuzz.snapshot import Snapshot

CACHE_BYTES = 10**8
MADE_ANEW = 40
"""Of the bundles that are taken back, one in so many is prepared anew: that takes a decoding process."""


@dataclass(frozen=True)
class BundleDoor:
    """``clip``: what the avatar is made of. ``objects``: the sound bundle; ``pictures``: its frames, hashed."""

    folder: Path
    clip: Path
    manifest: Manifest
    objects: Objects
    pictures: tuple[int, ...]
    snapshot: Snapshot

    def make(self, random: Random) -> bytes:
        return packed(damaged(self.objects, random))

    def run(self, case: bytes) -> str | None:
        store = LocalStore(self.folder / "store")
        self._place(store, unpacked(case))
        library = library_at(self.folder / "worker", store)
        try:
            with nothing_left(self.folder / "worker" / "scratch"), no_unforeseen_errors():
                return self._open(library, case)
        finally:
            shutil.rmtree(self.folder / "worker")
            self.snapshot.restore()

    def _place(self, store: LocalStore, objects: Objects) -> None:
        for name, sound in self.objects.items():
            body = objects.get(name)
            if body is None:
                store.delete(self._key(name))
            elif body != sound:
                store.put(self._key(name), body)

    def _key(self, name: str) -> str:
        return f"avatars/{self.manifest.key}/{name}" if name == MANIFEST else self.manifest.part_key(name)

    def _open(self, library: AvatarLibrary, case: bytes) -> str | None:
        avatar = library.fetch(self.manifest.key)
        if avatar is not None:
            return self._look(avatar)
        assert not library.exists(self.manifest.key)
        assert library.cache.names() == []
        if zlib.crc32(case) % MADE_ANEW == 0:
            anew = library.prepare(self.clip, OPTIONS, silent, CancelToken())
            assert frames_of(anew) == self.pictures
            anew.lease.release()
        return "taken_back"

    def _look(self, avatar: PreparedAvatar) -> str | None:
        """What was opened is what its checksums promise, and that of the sound bundle where they are the same."""
        with _released(avatar):
            assert is_sound(avatar.manifest, avatar.lease.folder)
            for which in range(len(avatar.track.masks)):
                avatar.memory.alpha(avatar.held, which)
            try:
                pictures = frames_of(avatar)
            except FrameDamaged:
                assert avatar.manifest.parts != self.manifest.parts
                return "frame_damaged"
            assert pictures == self.pictures or avatar.manifest.parts != self.manifest.parts
        return None


@contextmanager
def _released(avatar: PreparedAvatar) -> Iterator[None]:
    try:
        yield
    finally:
        avatar.lease.release()


def library_at(disk: Path, store: LocalStore) -> AvatarLibrary:
    """A worker's library on an empty disk."""
    cache = BundleCache(disk / "cache", CACHE_BYTES)
    return AvatarLibrary(store, cache, Preparation(PreviewPreparer(), LIMITS), disk / "scratch")


def frames_of(avatar: PreparedAvatar) -> tuple[int, ...]:
    """Every frame's checksum. Raises FrameDamaged."""
    with closing(avatar.open_frames()) as frames:
        return tuple(zlib.crc32(frame.packed.tobytes()) for frame in frames)


@contextmanager
def _open(folder: Path) -> Iterator[BundleDoor]:
    store = LocalStore(folder / "store")
    clip = video(folder / "avatar.mp4")
    avatar = library_at(folder / "first", store).prepare(clip, OPTIONS, silent, CancelToken())
    pictures, manifest = frames_of(avatar), avatar.manifest
    avatar.lease.release()
    snapshot = Snapshot(store)
    names = {
        **{name: manifest.part_key(name) for name in manifest.parts},
        MANIFEST: f"avatars/{manifest.key}/{MANIFEST}",
    }
    objects = {name: snapshot.bodies[key] for name, key in names.items()}
    yield BundleDoor(folder, clip, manifest, objects, pictures, snapshot)


DOOR = Door("bundles", cases=3000, slice=25, limit=30, open=_open)
