"""Which weight files the worker needs, what they must be to the byte, and where they can be had."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator

MANIFEST = Path(__file__).with_name("models.json")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HubFile(_Entry):
    """A file of a Hugging Face repository at one pinned revision (a commit's 40 hex digits)."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    file: str

    def address(self, base_url: str) -> str:
        return f"{base_url.rstrip('/')}/{self.repo}/resolve/{self.revision}/{quote(self.file)}"


class DirectFile(_Entry):
    """A file at an address of its own."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]


class WeightFile(_Entry):
    """One file: its place in the weights' folder, size in bytes, SHA-256 in hex, and sources, best first."""

    path: str
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sources: Annotated[tuple[HubFile | DirectFile, ...], Field(min_length=1)]

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or any(part.startswith(".") for part in parts):
            raise ValueError("a weight file's path is relative and has no part that starts with a dot")
        return path


class Manifest(_Entry):
    """All weight files."""

    files: tuple[WeightFile, ...]

    @classmethod
    def read(cls, path: Path = MANIFEST) -> Manifest:
        """OSError or ValueError where ``path`` is no manifest."""
        return cls.model_validate_json(path.read_bytes())

    def choose(self, names: Iterable[str]) -> tuple[WeightFile, ...]:
        """The files of these names (a path, or a folder of several); all files for no names. KeyError: unknown."""
        wanted = [name.rstrip("/") for name in names]
        for name in wanted:
            if not any(_is_called(weight, name) for weight in self.files):
                raise KeyError(name)
        return tuple(weight for weight in self.files if not wanted or any(_is_called(weight, name) for name in wanted))


def _is_called(weight: WeightFile, name: str) -> bool:
    return weight.path == name or weight.path.startswith(f"{name}/")
