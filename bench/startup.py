"""How long a worker takes from the start of its process until it is ready for jobs, by phase."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

from bench.table import Table
from bench.workplace import ROOT, Workplace
from builder.default_avatar import build

How = Literal["sdk", "plain"]
"""With the stand-in for py-cpuinfo, as the worker does it, or without."""

FULL, QUICK = 5, 1
AVATAR = 256, 300


@dataclass(frozen=True)
class Start:
    """Seconds of each phase of one process, in order."""

    phases: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.phases.values())


@dataclass(frozen=True)
class Report:
    """Start by start, the two ways in turn."""

    ours: tuple[Start, ...]
    plain: tuple[Start, ...]

    @property
    def saved(self) -> float:
        """Seconds that the stand-in for py-cpuinfo spares: the middle one of the pairs."""
        return median(other.total - one.total for one, other in zip(self.ours, self.plain, strict=True))

    def table(self) -> Table:
        phases = tuple(self.ours[0].phases)
        return Table(
            title="From the start of the process to ready, renderer preview",
            columns=("phase", "seconds", "without the stand-in for py-cpuinfo"),
            rows=(
                *((phase, *(_seconds(way, phase) for way in (self.ours, self.plain))) for phase in phases),
                ("ready", *(f"{median(start.total for start in way):.2f}" for way in (self.ours, self.plain))),
            ),
            notes=(
                f"Medians of {len(self.ours)} fresh processes each, the two ways in turn, after one that isn't "
                "counted: the files are in the system's cache.",
                f"The stand-in spares {self.saved:.2f} s (median of the pairs).",
                "The fitness checks are the worker's own; those that the SDK adds on the platform are not among them.",
            ),
        )


def measure(repetitions: int = FULL) -> Report:
    """Start so many workers each way; half a minute on two cores for five."""
    with TemporaryDirectory() as folder:
        avatar = Path(folder) / "avatars" / "default.mp4"
        build(avatar, *AVATAR)
        place = Workplace(Path(folder), avatar).make()
        started(place, "plain")
        pairs = [(started(place, "sdk"), started(place, "plain")) for _ in range(repetitions)]
    return Report(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def started(place: Workplace, how: How) -> Start:
    """Start one worker and read how long its phases took."""
    began = time.monotonic()
    worker = subprocess.run(
        [sys.executable, "-m", "bench.starting_worker", how],
        cwd=ROOT,
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if worker.returncode:
        raise RuntimeError(f"the worker did not start:\n{worker.stderr[-2000:]}")
    # Linux has one monotonic clock for all processes.
    ends: dict[str, float] = json.loads(worker.stdout.splitlines()[-1])
    times = [began, *ends.values()]
    return Start({phase: after - before for phase, (before, after) in zip(ends, pairwise(times), strict=True)})


def _seconds(starts: tuple[Start, ...], phase: str) -> str:
    return f"{median(start.phases[phase] for start in starts):.3f}"
