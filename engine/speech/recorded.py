"""A recording that lies decoded on disk, as pieces of speech without words."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from engine.speech.voice import SpeechPiece
from engine.timebase import PLAYED_RATE

PIECE_SAMPLES = PLAYED_RATE // 2


def read_pieces(path: Path) -> Generator[SpeechPiece, None, None]:
    """The sound in ``path`` (raw int16, mono, 48 kHz, the machine's byte order) in pieces of half a second."""
    with path.open("rb") as file:
        while block := file.read(PIECE_SAMPLES * 2):
            yield SpeechPiece(np.frombuffer(block, np.int16))
