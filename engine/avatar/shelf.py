"""Prepared avatars in the object store.

    avatars/{key}/manifest.json        there exactly when the bundle is; written last
    avatars/{key}/{attempt}/{part}     written by one attempt alone, never overwritten
    avatars/{key}/refs/{session}       the sessions that use it
    avatars/{key}/used                 its age is the time since the avatar was last asked for or let go

A manifest is taken back by replacing the very version that was read, so that nobody takes back what another worker
has published meanwhile. What stands in its place, a withdrawal, counts as no manifest and is published over.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from engine.avatar.collect import Holding
from engine.avatar.manifest import CONTENT_TYPES, Manifest, measure, read_manifest
from engine.avatar.refs import WITHDRAWN, manifest_key, used_key
from engine.cancel import CancelToken
from engine.errors import BundleDamaged
from engine.store.protocol import ObjectStore

PIECE_BYTES = 1 << 20
DOWNLOADS = 2

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BytesProgress = Callable[[int], None]
"""Told how many bytes more have gone."""


@dataclass(frozen=True)
class Standing:
    """What stands where a manifest belongs. manifest: None when that is a withdrawal or unreadable."""

    key: str
    body: bytes
    etag: str
    manifest: Manifest | None


class Shelf:
    """Puts bundles into the store and takes them out. Every method raises what the store raises."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def look(self, key: str) -> Standing | None:
        """What stands there; None when nothing does."""
        found = self._store.get(manifest_key(key))
        if found is None:
            return None
        return Standing(key, found.body, found.info.etag, read_manifest(found.body, key))

    def upload(self, manifest: Manifest, folder: Path, sent: BytesProgress, cancel: CancelToken) -> None:
        """Write the parts. They are nobody's until the manifest is published; on any error they are removed.

        Raises Cancelled when ``cancel`` says so.
        """
        try:
            for name in manifest.parts:
                with _watched(folder / name, sent, cancel) as file:
                    self._store.upload(manifest.part_key(name), file, CONTENT_TYPES[name])
            cancel.check()
        except BaseException:
            try:
                self.discard(manifest)
            finally:
                # A store may wrap what its source raises in an error of its own.
                cancel.check()
            raise

    def publish(self, manifest: Manifest) -> bool:
        """Make the uploaded bundle the avatar's. False when it has one already."""
        body = manifest.model_dump_json().encode()
        while True:
            if self._store.put_if_absent(manifest_key(manifest.key), body, "application/json") is not None:
                return True
            standing = self.look(manifest.key)
            if standing is not None and standing.manifest is not None:
                # Our own stands there when the store had written it and lost its answer.
                return standing.manifest.attempt == manifest.attempt
            if standing is not None and self._replace(standing, body) is not None:
                return True

    def discard(self, manifest: Manifest) -> None:
        """Remove the parts of a manifest that isn't published, or no longer."""
        for name in manifest.parts:
            self._store.delete(manifest.part_key(name))

    def download(self, manifest: Manifest, folder: Path, cancel: CancelToken) -> None:
        """Fetch every part and verify it.

        Raises BundleDamaged when one is missing or not what the manifest says, Cancelled.
        """
        for name, part in manifest.parts.items():
            for _ in range(DOWNLOADS):
                cancel.check()
                info = self._store.download(manifest.part_key(name), folder / name)
                if info is not None and measure(folder / name) == part:
                    break
            else:
                raise BundleDamaged(f"The avatar's {name} is missing or altered.")

    def withdraw_damaged(self, standing: Standing) -> None:
        """Take back the manifest of a damaged bundle and remove what there is of its parts."""
        if self._withdraw(standing) is not None and standing.manifest is not None:
            self.discard(standing.manifest)

    def take_down(self, key: str, unneeded: Callable[[], bool]) -> bool:
        """Remove the bundle if ``unneeded`` says so before and after the manifest is withdrawn; True when it went.

        Whoever first notes that it is needed and then sees a manifest can so be sure that the bundle stays.
        """
        standing = self.look(key)
        if standing is None or not unneeded() or (withdrawal := self._withdraw(standing)) is None:
            return False
        if not unneeded():
            self._store.put_if_match(manifest_key(key), standing.body, withdrawal, "application/json")
            return False
        self._clear(standing, withdrawal)
        return True

    def remove_abandoned(self, holding: Holding, moment: datetime) -> None:
        """Remove what attempts that never came to a manifest left before ``moment``."""
        standing = self.look(holding.key)
        published = standing.manifest.attempt if standing is not None and standing.manifest is not None else None
        for part in holding.abandoned_parts(published, moment):
            self._store.delete(part)
        if standing is None and holding.unused_since(moment):
            self._store.delete(used_key(holding.key))

    def idle_since(self, key: str, moment: datetime) -> bool:
        """Whether nobody has noted a use since ``moment``."""
        info = self._store.head(used_key(key))
        return info is None or info.modified < moment

    def _withdraw(self, standing: Standing) -> str | None:
        """Put a withdrawal in the place of that very body and return its etag; None when that has changed."""
        return self._replace(standing, json.dumps({WITHDRAWN: uuid.uuid4().hex}).encode())

    def _clear(self, standing: Standing, withdrawal: str) -> None:
        """Remove what a withdrawn bundle leaves: its parts, the note of its last use, and the withdrawal itself."""
        if standing.manifest is not None:
            self.discard(standing.manifest)
        info = self._store.head(manifest_key(standing.key))
        if info is not None and info.etag == withdrawal:
            self._store.delete(used_key(standing.key))
            self._store.delete(manifest_key(standing.key))

    def _replace(self, standing: Standing, body: bytes) -> str | None:
        info = self._store.put_if_match(manifest_key(standing.key), body, standing.etag, "application/json")
        return None if info is None else info.etag


class _Watched(io.FileIO):
    """A file that tells how much of it is read, and ends the reading when the job is cancelled."""

    def __init__(self, path: Path, sent: BytesProgress, cancel: CancelToken) -> None:
        super().__init__(path)
        self._sent = sent
        self._cancel = cancel

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._cancel.check()
        read = super().readinto(buffer)
        self._sent(read)
        return read


def _watched(path: Path, sent: BytesProgress, cancel: CancelToken) -> BinaryIO:
    return io.BufferedReader(_Watched(path, sent, cancel), PIECE_BYTES)
