"""Avatars that the operator lets nobody use, by the SHA-256 of their files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from engine.errors import AvatarBlocked

_HASH = re.compile(r"[0-9a-f]{64}")


class BlockSettings(BaseSettings):
    """The setting of the list."""

    blocked_avatars: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Avatars that nobody may prepare or speak with: the SHA-256 of their files (`sha256sum`), between "
        "commas, or `@` and the path of a file with one a line.",
    )

    @field_validator("blocked_avatars", mode="before")
    @classmethod
    def _parsed_hashes(cls, value: object) -> object:
        return parse_hashes(_listed(value.strip())) if isinstance(value, str) else value


def parse_hashes(listed: str) -> frozenset[str]:
    """Hashes between commas or on lines of their own; what follows a `#` is left out. Raises ValueError."""
    lines = [line.partition("#")[0] for line in listed.splitlines()]
    entries = [entry.strip().lower() for line in lines for entry in line.split(",") if entry.strip()]
    for entry in entries:
        if not _HASH.fullmatch(entry):
            raise ValueError(f"`{entry[:70]}` is no SHA-256 of 64 hexadecimal digits, as `sha256sum FILE` prints it")
    return frozenset(entries)


def _listed(value: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text()
    except OSError as error:
        raise ValueError(f"the file can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("the file is no text") from None


@dataclass(frozen=True)
class BlockList:
    """``hashes``: of the files, in hexadecimal."""

    hashes: frozenset[str] = frozenset()

    def demand_allowed(self, avatar_sha256: str | None) -> None:
        """Raises AvatarBlocked. None, a file that isn't known, is none of the list."""
        if avatar_sha256 in self.hashes:
            raise avatar_blocked()


def avatar_blocked() -> AvatarBlocked:
    return AvatarBlocked("The operator has blocked this avatar. Use another one.")
