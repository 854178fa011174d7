"""A session's picture: the one that was made when its avatar was prepared."""

from __future__ import annotations

from dataclasses import dataclass

from engine.avatar.manifest import THUMBNAIL
from engine.avatar.shelf import Shelf
from engine.records import SessionRecord
from engine.store.protocol import ObjectStore
from shim.ranges import Validators
from shim.refusals import OutputNotFound
from shim.serving import ServedFile


@dataclass(frozen=True)
class Thumbnails:
    """Finds pictures in the store; it blocks."""

    store: ObjectStore

    def of_session(self, session: SessionRecord) -> ServedFile:
        """The first frame of its avatar that shows a face, as JPEG.

        Raises OutputNotFound before the session is ready, and what the store raises.
        """
        standing = None if session.avatar_key is None else Shelf(self.store).look(session.avatar_key)
        if session.status != "ready" or standing is None or standing.manifest is None:
            raise OutputNotFound("The session has no thumbnail: it comes when the session is ready.")
        manifest = standing.manifest
        key, part = manifest.part_key(THUMBNAIL), manifest.parts[THUMBNAIL]
        return ServedFile(
            f"{session.session_id}.jpg",
            "image/jpeg",
            part.bytes,
            Validators(part.sha256, manifest.created),
            lambda start, length: self.store.get_range(key, start, length),
        )
