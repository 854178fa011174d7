"""A door that keeps what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.fuzz.door import Door

BYTES = 60_000


class Growing:
    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def make(self, random: Random) -> bytes:
        return random.randbytes(8)

    def run(self, case: bytes) -> None:
        self._kept.append(case * (BYTES // len(case)))


@contextmanager
def growing(folder: Path) -> Iterator[Growing]:
    yield Growing()


DOOR = Door("growing", 600, 10, 1, growing)
