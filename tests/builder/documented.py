"""The blocks of a page in Markdown, and a shell that runs them one after the other as whoever pastes them does."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.M | re.S)
_STATE = "state.sh"


@dataclass(frozen=True)
class Block:
    """``kind``: the word after the language, empty where there is none."""

    language: str
    kind: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(language, kind, text) for language, kind, text in _BLOCK.findall(page.read_text())]


@dataclass(frozen=True)
class Shell:
    """``replaced``: what stands on the page, and what stands in its place here."""

    folder: Path
    environment: Mapping[str, str]
    replaced: Mapping[str, str]

    def run(self, block: Block) -> str:
        """What it prints; variables stay for the next block. Every command has to succeed."""
        text = block.text
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        state = self.folder / _STATE
        before = f". ./{_STATE}\n" if state.is_file() else ""
        script = f"set -eu -o pipefail\n{before}set -a\n{text}\nset +a\nexport -p > {_STATE}\n"
        finished = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, f"{text}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
        return finished.stdout
