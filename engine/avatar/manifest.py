"""What is known of a prepared avatar without its files.

Nothing here reads pictures or sound, so that a server in front of the workers can do it too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from engine.avatar.key import FORMAT_VERSION, PIECE_BYTES
from engine.lipsync.renderer import Face, FacePlace

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
    """The face for people: its size in pixels, the share of frames that show one, and where the first of these does.

    place: None in bundles that were made when it was not measured.
    """

    width: int = Field(ge=0)
    height: int = Field(ge=0)
    share: float = Field(ge=0, le=1)
    warnings: tuple[str, ...] = ()
    place: FacePlace | None = None

    @classmethod
    def of(cls, face: Face) -> FaceFacts:
        return cls(
            width=face.width,
            height=face.height,
            share=face.share_of_frames,
            warnings=face.warnings,
            place=face.place,
        )

    def face(self) -> Face:
        return Face(self.width, self.height, self.share, self.warnings, self.place)


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
