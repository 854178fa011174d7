"""Where a measured worker works: folders of its own, and nothing of the caller's configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
LONGEST_TEXT = 100_000


@dataclass(frozen=True)
class Workplace:
    """``folder`` gets store/, cache/ and scratch/; ``avatar`` is the default avatar's video."""

    folder: Path
    avatar: Path

    def make(self) -> Workplace:
        for name in ("store", "cache", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self

    def settings(self) -> Settings:
        """For an engine in this process."""
        fields: dict[str, Any] = dict(self._fields())
        return Settings(**fields, elevenlabs_api_key=None)

    def environment(self) -> dict[str, str]:
        """For a worker's process: all that it gets."""
        named = {name.upper(): value for name, value in self._fields().items()}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **named}

    def _fields(self) -> dict[str, str]:
        return {
            "renderer": "preview",
            "store_dir": str(self.folder / "store"),
            "cache_dir": str(self.folder / "cache"),
            "network_volume": str(self.folder),
            "scratch_dir": str(self.folder / "scratch"),
            "avatar_dirs": str(self.avatar.parent),
            "default_avatar": str(self.avatar),
            "max_text_characters": str(LONGEST_TEXT),
        }
