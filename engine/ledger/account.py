"""What a run comes to, written down as it goes, so that it is known however the run ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Account:
    """avatar_sha256: of the avatar's file. spoken_sha256: of the text or the sound. characters: of bought or spoken
    text. gpu_seconds: the run's share of the GPU's time."""

    avatar_sha256: str | None = None
    spoken_sha256: str | None = None
    characters: int = 0
    gpu_seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was spent."""
        return self.characters == 0 and self.gpu_seconds == 0.0
