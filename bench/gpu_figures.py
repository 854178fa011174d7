"""What one part of the bench on a GPU leaves for the one that reckons costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

Figure = Literal["start", "preparing", "drawing", "busy"]
"""In seconds: from a process's start to its first frame; to prepare a frame; to make one alone; to make one among as
many jobs as were tried."""

FILE = "figures.json"


def leave(folder: Path, figure: Figure, seconds: float) -> None:
    """Note a figure; a later one takes its place."""
    found = left(folder)
    found[figure] = seconds
    (folder / FILE).write_text(json.dumps(found))


def left(folder: Path) -> dict[Figure, float]:
    """All that was noted."""
    file = folder / FILE
    found: dict[Figure, float] = json.loads(file.read_text()) if file.exists() else {}
    return found
