"""Try the doors with mutated cases.

    python -m tests.fuzz                                   every door: more than 20,000 cases, some minutes
    python -m tests.fuzz --cases 2000 --seed 7             fewer cases, others
    python -m tests.fuzz --door records --door bundles     these doors alone
    python -m tests.fuzz --door records --case FILE        a case that was kept, here, once

Prints a report and exits with 1 when anything failed. Failing cases are kept in outputs/fuzz/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import describe
from tests.fuzz.door import door_at, judged
from tests.fuzz.doors import DOORS
from tests.fuzz.report import report
from tests.fuzz.watch import ROOT, Asked, watch

KEPT = ROOT / "outputs" / "fuzz"
AT_ONCE = 2
"""Doors that are tried side by side."""


def modules() -> dict[str, str]:
    """The doors' modules by the doors' names."""
    return {door_at(module).name: module for module in DOORS}


def share(chosen: Sequence[str], cases: int | None) -> list[int]:
    """How many cases each door gets of ``cases``: by its own number, or just that where none are named."""
    full = [door_at(module).cases for module in chosen]
    return full if cases is None else [max(cases * own // sum(full), 1) for own in full]


def run(chosen: Sequence[str], cases: int | None, seed: int, kept: Path) -> int:
    """Try the doors in these modules, print the report, return the exit code."""
    asked = [Asked(module, seed, count, kept) for module, count in zip(chosen, share(chosen, cases), strict=True)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        courses = list(pool.map(watch, asked))
    print(report(courses, seed, describe(datetime.now(UTC))))
    return 0 if all(course.well for course in courses) else 1


def repeat(module: str, case: Path) -> int:
    """Run a kept case in this process, and print what becomes of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, door_at(module).open(Path(folder)) as ground:
        verdict = judged(ground, case.read_bytes())
    print(verdict.code or verdict.trace)
    return 0 if verdict.code else 1


def main(arguments: Sequence[str]) -> int:
    doors = modules()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Try the doors with mutated cases.")
    parser.add_argument("--cases", type=int, help="over all doors; by default each door has its own number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--door", action="append", choices=list(doors), help="this one alone; may come several times")
    parser.add_argument("--case", type=Path, help="a kept case of the one --door, to run it here")
    wanted = parser.parse_args(arguments)
    chosen = [doors[name] for name in wanted.door or doors]
    if wanted.case is None:
        return run(chosen, wanted.cases, wanted.seed, KEPT)
    if len(chosen) != 1:
        parser.error("--case needs the one --door that it is for")
    return repeat(chosen[0], wanted.case)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
