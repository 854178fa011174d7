"""A door behind which every kind of end waits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from engine.errors import InternalError, TextTooLong
from tests.fuzz.door import Door

ENDS = ("take", "refuse", "fail", "defect", "leave", "crash", "hang")


class Unruly:
    def make(self, random: Random) -> bytes:
        return random.choice(ENDS).encode()

    def run(self, case: bytes) -> None:
        match case.decode():
            case "refuse":
                raise TextTooLong("Too long.")
            case "fail":
                raise KeyError("nobody foresaw this")
            case "defect":
                raise InternalError("Something went wrong.")
            case "leave":
                os._exit(3)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "hang":
                time.sleep(60)


@contextmanager
def unruly(folder: Path) -> Iterator[Unruly]:
    yield Unruly()


DOOR = Door("unruly", 100, 10, 0.3, unruly)
