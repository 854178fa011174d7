"""The process that one door's cases run in: whatever they do to it, the run goes on.

    python -m tests.fuzz.child MODULE SEED FIRST LAST FOLDER

It writes a line of JSON when the door is open, and one for each case: its number, code (null: a failure) and the bytes
that are resident. A case that is over its limit ends the process, with the stack on stderr.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.process_memory import resident_bytes
from tests.fuzz.door import Door, Ground, case_of, door_at, judged

OPENING_SECONDS = 120.0
"""How long a door may take to open or to close."""


@dataclass(frozen=True)
class CaseLine:
    """What the child says of a case. ``resident``: bytes of the process after it."""

    number: int
    code: str | None
    about: str
    trace: str
    resident: int


def current_case(folder: Path) -> Path:
    """Where the case lies that is being run, or was when the process ended."""
    return folder / "current.case"


def work(door: Door, seed: int, numbers: range, folder: Path, say: Callable[[object], None]) -> None:
    """Run the cases in turn."""
    faulthandler.dump_traceback_later(OPENING_SECONDS, exit=True)
    ground_folder = folder / "ground"
    ground_folder.mkdir()
    with door.open(ground_folder) as ground:
        say("open")
        for number in numbers:
            faulthandler.dump_traceback_later(door.limit, exit=True)
            say(asdict(_tried(door, ground, seed, number, folder)))
        faulthandler.dump_traceback_later(OPENING_SECONDS, exit=True)
    faulthandler.cancel_dump_traceback_later()


def _tried(door: Door, ground: Ground, seed: int, number: int, folder: Path) -> CaseLine:
    case = case_of(door, ground, seed, number)
    current_case(folder).write_bytes(case)
    verdict = judged(ground, case)
    if verdict.code is None:
        (folder / f"{number}.case").write_bytes(case)
    return CaseLine(number, verdict.code, verdict.about, verdict.trace, resident_bytes())


def main(arguments: list[str]) -> None:
    module, seed, first, last, folder = arguments
    faulthandler.enable()
    # Libraries and their children may write to descriptor 1; the lines have one of their own.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    work(
        door_at(module),
        int(seed),
        range(int(first), int(last)),
        Path(folder),
        lambda line: print(json.dumps(line), file=lines),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
