"""A door that doesn't open."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from tests.fuzz.door import Door, Ground


def shut(folder: Path) -> AbstractContextManager[Ground]:
    raise OSError("it is locked")


DOOR = Door("shut", 10, 10, 1, shut)
