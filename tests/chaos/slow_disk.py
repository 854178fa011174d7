"""A worker as it is, but for a disk that is slow while a file named SLOW lies in its folder: run as a program, in
handler.py's place.

Python tells of every file that it opens, renames or removes before it does so (PEP 578). What is below the worker's
folder then takes up to LONGEST seconds more.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from random import Random

import handler

SLOW = "slow-disk"
LONGEST = 0.15
EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"})


def slow_down(folder: str, random: Random) -> None:
    """Have this process' files below ``folder`` be slow from now on, whenever the file SLOW lies there."""
    switch = f"{folder}/{SLOW}"

    def wait(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and str(arguments[0]).startswith(folder) and os.access(switch, os.F_OK):
            time.sleep(random.uniform(0, LONGEST))

    sys.addaudithook(wait)


if __name__ == "__main__":
    slow_down(str(Path.cwd()), Random())
    sys.exit(handler.main())
