"""Prepared avatars: each is made once, ever, and from then on fetched."""

from __future__ import annotations

import logging
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from engine.avatar.bundle import PreparedAvatar, is_present, is_sound, open_bundle, place_parts
from engine.avatar.cache import BundleCache, Content, Fill
from engine.avatar.collect import Holding, holdings
from engine.avatar.flight import SharedWork, StageProgress
from engine.avatar.key import avatar_key, file_sha256
from engine.avatar.manifest import Manifest
from engine.avatar.memory import AvatarMemory
from engine.avatar.preparation import READING, SAVING, Naming, Preparation, stage_of
from engine.avatar.refs import AvatarRefs
from engine.avatar.shelf import Shelf
from engine.avatar.workspace import workspace
from engine.cancel import CancelToken
from engine.clock import utc_now
from engine.errors import BundleDamaged, MediaUnreadable
from engine.lipsync.choose import Renderer
from engine.lipsync.options import PreparationOptions
from engine.media.limits import MediaLimits
from engine.settings import Settings
from engine.store.disk import disk_errors
from engine.store.protocol import ObjectStore

log = logging.getLogger(__name__)

GRACE = timedelta(hours=24)


def _new_attempt() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class AvatarLibrary:
    """Prepares avatars with one renderer's preparer and keeps them in the store, on this host's disk and in memory.

    scratch: folder for work in progress. memory: holds nothing unless another is given. now: the time in UTC.
    new_attempt: 32 random hexadecimal digits.
    Every method may raise StorageUnavailable and StorageFull. One object serves all threads of a process; several
    processes may share the cache's folder, the scratch folder and the store.
    """

    store: ObjectStore
    cache: BundleCache
    preparation: Preparation
    scratch: Path
    memory: AvatarMemory = field(default_factory=lambda: AvatarMemory(0))
    now: Callable[[], datetime] = utc_now
    new_attempt: Callable[[], str] = _new_attempt
    _shelf: Shelf = field(init=False, repr=False)
    _refs: AvatarRefs = field(init=False, repr=False)
    _shared: SharedWork[PreparedAvatar] = field(init=False, repr=False, default_factory=SharedWork)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_shelf", Shelf(self.store))
        object.__setattr__(self, "_refs", AvatarRefs(self.store))

    @classmethod
    def of(cls, settings: Settings, store: ObjectStore, renderer: Renderer) -> AvatarLibrary:
        """The library that the settings ask for."""
        with disk_errors():
            cache = BundleCache(settings.cache_dir, settings.cache_bytes)
        preparation = Preparation(renderer.preparer, MediaLimits.of(settings))
        scratch = settings.scratch_dir or Path(tempfile.gettempdir())
        return cls(store, cache, preparation, scratch, AvatarMemory(settings.ram_cache_bytes))

    def key(self, source: Path, options: PreparationOptions, cancel: CancelToken) -> str:
        """The key that the file ``source`` has here. Raises Cancelled."""
        return self.key_of_hash(file_sha256(source, cancel), options)

    def key_of_hash(self, source_sha256: str, options: PreparationOptions) -> str:
        """The key that a file of this SHA-256 has here."""
        preparer = self.preparation.preparer
        return avatar_key(source_sha256, options.only(preparer.heeds), preparer.name, preparer.revision)

    def prepare(
        self, source: Path, options: PreparationOptions, progress: StageProgress, cancel: CancelToken
    ) -> PreparedAvatar:
        """The avatar made of the video or picture ``source``: fetched where it has been prepared before.

        Jobs of this process that want the same avatar at the same time share one preparation. ``progress`` is told
        the stage ("reading", "finding the face", "saving") and a share that rises from 0 to 1.
        Raises MediaUnreadable, AvatarTooLarge, AvatarTooLong, NoFace, and Cancelled when ``cancel`` says so;
        then nothing is left behind.
        """
        rising = _rising(progress)
        rising(READING, 0.0)
        with disk_errors():
            key = self.key(source, options, cancel)
            avatar = self._shared.do(
                key, lambda told: self._fetch_or_make(key, source, options, told, cancel), rising, cancel
            )
        rising(SAVING, 1.0)
        return avatar

    def fetch(self, key: str, cancel: CancelToken | None = None) -> PreparedAvatar | None:
        """The avatar ``key``; None when it was never prepared, was deleted, or has been found damaged.

        A damaged bundle is taken out of the store, so that ``prepare`` makes it anew. Raises Cancelled.
        """
        cancel = cancel or CancelToken()
        with disk_errors():
            while (standing := self._shelf.look(key)) is not None and (manifest := standing.manifest) is not None:
                try:
                    return self._open(manifest, partial(self._shelf.download, manifest), cancel)
                except BundleDamaged as damage:
                    log.warning("avatar %s is damaged and is withdrawn: %s", key, damage.message)
                    self._shelf.withdraw_damaged(standing)
                    self._forget(manifest.name)
            self._forget(key)
            return None

    def exists(self, key: str) -> bool:
        """Whether the avatar has been prepared and not been deleted since."""
        standing = self._shelf.look(key)
        return standing is not None and standing.manifest is not None

    def add_ref(self, key: str, session_id: str) -> bool:
        """Note that a session uses the avatar, which keeps it from being collected.

        False when it was deleted just before: it has to be prepared again.
        """
        self._refs.add(key, session_id)
        return self.exists(key)

    def remove_ref(self, key: str, session_id: str) -> None:
        """The session no longer uses the avatar; the avatar itself stays until it is deleted or collected."""
        self._refs.remove(key, session_id)

    def refs(self, key: str) -> tuple[str, ...]:
        """The sessions that use the avatar, in order."""
        return self._refs.sessions(key)

    def delete(self, key: str) -> None:
        """Remove the avatar, whoever uses it: first the manifest, then the parts, then this host's copy."""
        while self._shelf.look(key) is not None:
            self._shelf.take_down(key, lambda: True)
        self._forget(key)

    def delete_unused(self, key: str) -> bool:
        """Remove the avatar unless a session uses it; True when it went.

        A session that begins to use it at the same moment either keeps it or is told by ``add_ref``.
        """
        gone = self._shelf.take_down(key, lambda: not self._refs.sessions(key))
        if gone:
            self._forget(key)
        return gone

    def collect(
        self, now: datetime, grace: timedelta = GRACE, protected: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Remove the avatars that nobody has used for ``grace``, and return their keys.

        An avatar is used as long as a session refers to it; one in ``protected`` stays in any case. What
        interrupted preparations have left goes too, and so do this host's copies of avatars that are gone.
        """
        gone = tuple(each.key for each in list(holdings(self.store)) if self._collected(each, now - grace, protected))
        for key in {name.partition("-")[0] for name in (*self.cache.names(), *self.memory.names())}:
            if not self.exists(key):
                self._forget(key)
        return gone

    def _forget(self, prefix: str) -> None:
        """Remove this host's copies of the bundles whose names begin so."""
        self.cache.drop(prefix)
        self.memory.drop(prefix)

    def _collected(self, holding: Holding, moment: datetime, protected: frozenset[str]) -> bool:
        key = holding.key
        self._shelf.remove_abandoned(holding, moment)
        if key in protected or not holding.unused_since(moment):
            return False
        return self._shelf.take_down(key, lambda: not self._refs.sessions(key) and self._shelf.idle_since(key, moment))

    def _fetch_or_make(
        self, key: str, source: Path, options: PreparationOptions, progress: StageProgress, cancel: CancelToken
    ) -> PreparedAvatar:
        if self.exists(key):
            # Noted before it is fetched: a collector that doesn't see the note has withdrawn it, and we see that.
            self._refs.touch(key)
            if (avatar := self.fetch(key, cancel)) is not None:
                return avatar
        with workspace(self.scratch) as folder:
            naming = Naming(key, self.new_attempt(), self.now())
            manifest = self.preparation.make(source, folder, naming, options, progress, cancel)
            self._demand_unchanged(source, key, options, cancel)
            return self._save(manifest, folder, progress, cancel)

    def _demand_unchanged(self, source: Path, key: str, options: PreparationOptions, cancel: CancelToken) -> None:
        # The bundle would for ever pass for an avatar that it was not made of.
        if self.key(source, options, cancel) != key:
            raise MediaUnreadable("The avatar's file changed while it was read. Send it again.")

    def _save(self, manifest: Manifest, folder: Path, progress: StageProgress, cancel: CancelToken) -> PreparedAvatar:
        self._shelf.upload(manifest, folder, _Sent(manifest.size, progress), cancel)
        while not self._shelf.publish(manifest):
            if (avatar := self._made_by_another(manifest, cancel)) is not None:
                return avatar
        return self._open(manifest, lambda target, _: place_parts(manifest, folder, target), CancelToken())

    def _made_by_another(self, manifest: Manifest, cancel: CancelToken) -> PreparedAvatar | None:
        """The avatar as another worker has published it before us; None when that one is damaged."""
        try:
            avatar = self.fetch(manifest.key, cancel)
        except BaseException:
            self._shelf.discard(manifest)
            raise
        if avatar is not None:
            self._shelf.discard(manifest)
        return avatar

    def _open(self, manifest: Manifest, fill: Fill, cancel: CancelToken) -> PreparedAvatar:
        content = Content(
            name=manifest.name,
            size=manifest.size,
            fill=fill,
            present=lambda folder: is_present(manifest, folder),
            sound=lambda folder: is_sound(manifest, folder),
        )
        lease = self.cache.obtain(content, cancel)
        try:
            return open_bundle(manifest, lease, self.memory)
        except BaseException:
            lease.release()
            raise


class _Sent:
    """Turns bytes that are gone into the share of the saving that is done."""

    def __init__(self, size: int, progress: StageProgress) -> None:
        self._size = size
        self._progress = stage_of(SAVING, progress)
        self._sent = 0

    def __call__(self, more: int) -> None:
        self._sent += more
        self._progress(min(1.0, self._sent / self._size))


def _rising(progress: StageProgress) -> StageProgress:
    """The same, but never told less than before: a job that takes over another's preparation begins anew."""
    highest = 0.0

    def told(stage: str, share: float) -> None:
        nonlocal highest
        highest = max(highest, share)
        progress(stage, highest)

    return told
