"""The folder of weights: which files in it are known to be right, and who may change it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builder.fetch_errors import FolderFailed
from builder.progress import readable
from builder.weights_manifest import WeightFile

STAMPS = ".fetch_models.json"
LOCK = ".fetch_models.lock"

_LOCK_POLL_SECONDS = 0.2


class Stamp(BaseModel):
    """A file as it was when its hash was last found right."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    # In whole seconds, since layers of container images keep no finer times.
    mtime: int
    sha256: str


class _Stamps(BaseModel):
    files: dict[str, Stamp] = Field(default_factory=dict)


class WeightsFolder:
    """A folder that holds weight files at their manifest's paths, and stamps of those that were verified."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamping = threading.Lock()

    def place(self, weight: WeightFile) -> Path:
        return self.path / weight.path

    def trusts(self, weight: WeightFile) -> bool:
        """Whether size, time and stamp say that the file is right, without reading it."""
        stamp = self._read_stamps().files.get(weight.path)
        return stamp is not None and stamp == _stamp_of(self.place(weight), weight.sha256)

    def holds(self, weight: WeightFile) -> bool:
        """Whether the file is right to the byte: reads it whole, and stamps it if so."""
        place = self.place(weight)
        if not place.is_file() or place.stat().st_size != weight.bytes or digest_of(place) != weight.sha256:
            return False
        self.stamp(weight)
        return True

    def stamp(self, weight: WeightFile) -> None:
        """Remember that the file, as it lies there now, has the right hash."""
        with self._stamping:
            stamps = self._read_stamps()
            if (stamp := _stamp_of(self.place(weight), weight.sha256)) is not None:
                stamps.files[weight.path] = stamp
            written = self.path / f"{STAMPS}.new"
            written.write_text(stamps.model_dump_json(indent=1))
            written.replace(self.path / STAMPS)

    def require_room(self, weights: Iterable[WeightFile]) -> None:
        """FolderFailed unless the disk has room for what is still missing of these files."""
        missing = sum(max(0, weight.bytes - _size(part_of(self.place(weight)))) for weight in weights)
        state = os.statvfs(self.path)
        if (free := state.f_bavail * state.f_frsize) < missing:
            raise FolderFailed(
                f"{self.path} has {readable(free)} free and {readable(missing)} are still to come. "
                "Make room, or name another folder with --dir."
            )

    @contextlib.contextmanager
    def locked(self, waiting: Callable[[], None], pause: Callable[[float], None]) -> Iterator[None]:
        """Be the only process that changes the folder; ``waiting`` is called once if another one is at it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("w") as lock:
            if not _try_lock(lock.fileno()):
                waiting()
                while not _try_lock(lock.fileno()):
                    pause(_LOCK_POLL_SECONDS)
            yield

    def _read_stamps(self) -> _Stamps:
        try:
            return _Stamps.model_validate_json((self.path / STAMPS).read_bytes())
        except (FileNotFoundError, ValidationError):
            return _Stamps()


def part_of(place: Path) -> Path:
    """Where a file's bytes gather until they are all there and verified."""
    return place.with_name(f"{place.name}.part")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _stamp_of(path: Path, sha256: str) -> Stamp | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(bytes=state.st_size, mtime=int(state.st_mtime), sha256=sha256)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
