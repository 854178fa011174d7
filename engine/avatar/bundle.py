"""A prepared avatar: what its files are, and the same once they have been read.

A bundle is three files and a manifest that names them with their sizes and checksums:
- ``frames.h264``: the avatar's frames at 25 fps, each a picture of its own (engine.video.intra)
- ``track.safetensors``: where the face is and what the renderer keeps of it (engine.avatar.track_file)
- ``thumbnail.jpg``: the first frame that shows a face

In the store the files lie under a name that only one attempt at preparing the avatar ever writes to, which the
manifest gives; so attempts at the same time never mix. The bundle is there exactly when its manifest is.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from engine.avatar.cache import Lease
from engine.avatar.frames import AvatarFrames
from engine.avatar.key import FORMAT_VERSION, PIECE_BYTES
from engine.avatar.memory import AvatarMemory, HeldAvatar, OpenedBundle
from engine.avatar.track_file import TrackShape, read_track
from engine.lipsync.renderer import Face, FaceTrack
from engine.video.compose import Alpha

FRAMES = "frames.h264"
TRACK = "track.safetensors"
THUMBNAIL = "thumbnail.jpg"
CONTENT_TYPES = {FRAMES: "video/h264", TRACK: "application/octet-stream", THUMBNAIL: "image/jpeg"}

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Attempt = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Side = Annotated[int, Field(ge=2, le=65_536, multiple_of=2)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Stored):
    """What the avatar was before it was normalised. rate: mean frames a second, None where it has none."""

    codec: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    rate: float | None = Field(gt=0)


class FaceFacts(_Stored):
    """The face for people: its size in pixels and the share of frames that show one."""

    width: int = Field(ge=0)
    height: int = Field(ge=0)
    share: float = Field(ge=0, le=1)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, face: Face) -> FaceFacts:
        return cls(width=face.width, height=face.height, share=face.share_of_frames, warnings=face.warnings)

    def face(self) -> Face:
        return Face(self.width, self.height, self.share, self.warnings)


class Part(_Stored):
    """One file of the bundle."""

    bytes: int = Field(ge=0)
    sha256: Hash


class Manifest(_Stored):
    """All that is known of a bundle without its files. warnings: what was done to the avatar on its way in."""

    format: Literal[1] = FORMAT_VERSION
    key: Hash
    attempt: Attempt
    width: Side
    height: Side
    frames: int = Field(ge=1)
    seconds: float = Field(gt=0)
    source: Source
    renderer: str
    revision: str
    face: FaceFacts
    warnings: tuple[str, ...] = ()
    created: datetime
    parts: Mapping[str, Part]

    @model_validator(mode="after")
    def _names_every_part(self) -> Manifest:
        if set(self.parts) != set(CONTENT_TYPES):
            raise ValueError("a bundle has exactly its three parts")
        return self

    @property
    def name(self) -> str:
        """What these very files are called in the cache."""
        return f"{self.key}-{self.attempt}"

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.bytes for part in self.parts.values())

    def part_key(self, part: str) -> str:
        """Where a part lies in the store."""
        return f"avatars/{self.key}/{self.attempt}/{part}"


@dataclass(frozen=True, eq=False)
class PreparedAvatar:
    """An avatar ready to speak. Its files stay on this host's disk as long as this object lives.

    What was read and made of it may stay in memory for later jobs (engine.avatar.memory): that holds no lease, so it
    keeps no file on the disk.
    """

    key: str
    manifest: Manifest
    frames_path: Path
    held: HeldAvatar = field(repr=False)
    memory: AvatarMemory = field(repr=False)
    lease: Lease = field(repr=False)

    @property
    def track(self) -> FaceTrack:
        """The same object for every job, as long as it is held."""
        return self.held.opened.track

    def open_frames(self) -> AvatarFrames:
        """A FrameSource over the frames: one for each thread, closed by whoever asked for it."""
        return AvatarFrames(self.memory, self.held, self.frames_path)

    def alpha(self, which: int) -> Alpha:
        """Mask ``which`` of the track made ready for composition. For any thread."""
        return self.memory.alpha(self.held, which)


def read_manifest(body: bytes, key: str) -> Manifest | None:
    """The manifest of avatar ``key``; None when it is unreadable, of another format or of another avatar."""
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError:
        return None
    return manifest if manifest.key == key else None


def measure(path: Path) -> Part:
    """The size and checksum of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return Part(bytes=size, sha256=digest.hexdigest())


def is_present(manifest: Manifest, folder: Path) -> bool:
    """Whether the folder has every part at its size."""
    return all(_size(folder / name) == part.bytes for name, part in manifest.parts.items())


def is_sound(manifest: Manifest, folder: Path) -> bool:
    """Whether the folder has every part with its checksum."""
    return is_present(manifest, folder) and all(measure(folder / name) == part for name, part in manifest.parts.items())


def place_parts(manifest: Manifest, folder: Path, target: Path) -> None:
    """Give ``target`` the parts that lie in ``folder``, without copying where both are on one disk."""
    for name in manifest.parts:
        try:
            (target / name).hardlink_to(folder / name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            shutil.copyfile(folder / name, target / name)


def open_bundle(manifest: Manifest, lease: Lease, memory: AvatarMemory) -> PreparedAvatar:
    """The bundle in the lease's folder, whose checksums have been verified: read, unless ``memory`` holds it.

    Raises BundleDamaged when the track contradicts the manifest or itself.
    """
    held = memory.open(manifest.name, lambda: _read(manifest, lease.folder))
    return PreparedAvatar(manifest.key, manifest, lease.folder / FRAMES, held, memory, lease)


def _read(manifest: Manifest, folder: Path) -> OpenedBundle:
    shape = TrackShape(manifest.frames, manifest.width, manifest.height, manifest.parts[FRAMES].bytes)
    return OpenedBundle(*read_track(folder / TRACK, shape, manifest.face.face()))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
