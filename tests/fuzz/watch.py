"""Runs a door's cases in processes of their own, and sees how these end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.child import CaseLine, current_case
from tests.fuzz.course import Course, Failure
from tests.fuzz.door import door_at

ROOT = Path(__file__).parents[2]
MOST_ENDS = 20
"""After so many processes that died of a case the door is given up."""


@dataclass(frozen=True)
class Asked:
    """``cases`` of the door in ``module``. ``kept``: the folder that failing cases go to."""

    module: str
    seed: int
    cases: int
    kept: Path


def watch(asked: Asked) -> Course:
    """Run all the cases; a process that dies is named with its case, and the next begins with the one after it."""
    course = Course(door_at(asked.module).name)
    began = time.monotonic()
    number, ends = 0, 0
    while number < asked.cases and ends < MOST_ENDS:
        number, ends = _one_process(asked, course, number), ends + 1
    course.seconds = time.monotonic() - began
    return course


def _one_process(asked: Asked, course: Course, first: int) -> int:
    """Run cases from ``first`` on until there are no more, or the process dies; return the number to go on with."""
    course.resident.clear()
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        watched = _Watched(asked, course, Path(folder))
        return watched.follow(first)


@dataclass
class _Watched:
    asked: Asked
    course: Course
    folder: Path
    opened: bool = False

    def follow(self, first: int) -> int:
        number = first
        with (self.folder / "log").open("wb") as log:
            process = self._start(first, log.fileno())
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    number = self._heard(json.loads(line), number)
                code = process.wait()
            finally:
                _end(process)
        if code == 0:
            return number
        return self._died(code, number)

    def _start(self, first: int, log: int) -> subprocess.Popen[str]:
        asked = self.asked
        command = [sys.executable, "-m", "tests.fuzz.child", asked.module, str(asked.seed)]
        return subprocess.Popen(
            [*command, str(first), str(asked.cases), str(self.folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )

    def _heard(self, told: object, number: int) -> int:
        if not isinstance(told, dict):
            self.opened = True
            return number
        line = CaseLine(**told)
        self.course.resident.append(line.resident)
        if line.code is None:
            self._fail(line.number, line.about, self.folder / f"{line.number}.case", line.trace)
        else:
            self.course.codes[line.code] += 1
        return line.number + 1

    def _died(self, code: int, number: int) -> int:
        log = (self.folder / "log").read_text(errors="replace")[-20_000:]
        about = f"{_end_of(code, log)}: {log.strip().rpartition(chr(10))[2][:200]}"
        if not self.opened:
            self.course.failures.append(Failure(None, f"the door did not open, {about}"))
            return self.asked.cases
        if number >= self.asked.cases:
            self.course.failures.append(Failure(None, f"the door did not close, {about}"))
            return number
        self._fail(number, about, current_case(self.folder), log)
        return number + 1

    def _fail(self, number: int, about: str, case: Path, trace: str) -> None:
        self.asked.kept.mkdir(parents=True, exist_ok=True)
        kept = self.asked.kept / f"{self.course.door}-{self.asked.seed}-{number}.case"
        shutil.copyfile(case, kept)
        kept.with_suffix(".txt").write_text(f"{about}\n\n{trace}", errors="replace")
        self.course.failures.append(Failure(number, about, str(kept)))


def _end_of(code: int, log: str) -> str:
    if "Timeout (" in log and code == 1:
        return "the process hung"
    return f"the process died of {signal.Signals(-code).name}" if code < 0 else f"the process ended with {code}"


def _end(process: subprocess.Popen[str]) -> None:
    """The process and whatever it has started in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
