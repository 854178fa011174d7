"""A download that may be taken up again after a cut."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from builder.weights_folder import part_of


class Origin(BaseModel):
    """Where a part's bytes came from: the address as it was asked for, and what the server called that version."""

    model_config = ConfigDict(frozen=True)

    address: str
    validator: str | None


class PartFile:
    """The bytes of one file so far (`NAME.part`), and their origin (`NAME.part.json`)."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.path = part_of(place)
        self._origin_path = self.path.with_name(f"{self.path.name}.json")
        place.parent.mkdir(parents=True, exist_ok=True)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self, address: str) -> str | None:
        """What ``address`` called the version that the part is of; None if that is unknown or came from elsewhere."""
        try:
            origin = Origin.model_validate_json(self._origin_path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return origin.validator if origin.address == address else None

    def begin(self, origin: Origin) -> None:
        """Start anew, from this origin."""
        self.path.write_bytes(b"")
        self._origin_path.write_text(origin.model_dump_json())

    def digest(self) -> hashlib._Hash:
        """A SHA-256 that has taken in what is there, ready for more."""
        if not self.path.exists():
            return hashlib.sha256()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the file in its place in one step."""
        self.path.replace(self._place)
        self._origin_path.unlink(missing_ok=True)
