"""Avatars as an upload's session takes them: decoded in a process of their own, looked at, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.avatar.uploads import upload_key
from engine.errors import EngineError
from tests.engine_ground import EngineGround
from tests.fuzz.decoders import no_unforeseen_errors
from tests.fuzz.door import Door
from tests.fuzz.leftovers import nothing_left
from tests.fuzz.media_files import PICTURES, made
from tests.fuzz.media_mutation import mutated

UPLOAD, SESSION = "film", "fuzzed"
MEMORY = 2 * 10**9
SECONDS = 20
LARGEST_BYTES = 300_000
LONGEST, MOST_PIXELS = 8.0, 640 * 480


@dataclass(frozen=True)
class AvatarDoor:
    """``files``: what is mutated. ``ground``: a whole engine with the preview renderer."""

    files: tuple[bytes, ...]
    ground: EngineGround

    def make(self, random: Random) -> bytes:
        return mutated(self.files, random)

    def run(self, case: bytes) -> None:
        before = self.ground.stored()
        self.ground.engine.store.put(upload_key(None, UPLOAD), case)
        with nothing_left(self.ground.folder / "scratch"), no_unforeseen_errors():
            try:
                self._create()
            finally:
                self.ground.run({"action": "delete_session", "session_id": SESSION, "forget_avatar": True})
        assert self.ground.stored() == before, "objects stay behind in the store"

    def _create(self) -> None:
        wanted = {"action": "create_session", "session_id": SESSION, "avatar_video_path": UPLOAD}
        try:
            reply = self.ground.run(wanted)
        except EngineError as error:
            self._demand_told(error)
            raise
        assert reply["status"] == "ready"
        self._look()

    def _demand_told(self, error: EngineError) -> None:
        """The session says what was wrong."""
        told = self.ground.run({"action": "status", "session_id": SESSION})
        assert (told["status"], told["message"]) == ("error", error.message)

    def _look(self) -> None:
        """Every frame comes out of the bundle."""
        record = self.ground.engine.records.sessions.get(SESSION)
        assert record is not None
        assert record.avatar_key is not None
        avatar = self.ground.engine.sessions.library.fetch(record.avatar_key)
        assert avatar is not None
        with closing(avatar.open_frames()) as frames:
            assert sum(1 for _ in frames) == avatar.manifest.frames
        avatar.lease.release()


@contextmanager
def _open(folder: Path) -> Iterator[AvatarDoor]:
    files = tuple(made(PICTURES, folder).values())
    ground = EngineGround(folder).open(
        decode_memory_bytes=MEMORY,
        decode_seconds=SECONDS,
        max_avatar_bytes=LARGEST_BYTES,
        max_avatar_seconds=LONGEST,
        max_avatar_pixels=MOST_PIXELS,
    )
    yield AvatarDoor(files, ground)


DOOR = Door("avatars", cases=700, slice=4, limit=60, open=_open)
