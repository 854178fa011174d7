"""A worker that does job after job: whether its memory grows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.table import Table
from bench.workplace import ROOT, Workplace
from builder.default_avatar import build


@dataclass(frozen=True)
class Workload:
    """``jobs`` of about a second each, on ``avatars`` in turn, so many at once."""

    jobs: int
    at_once: int
    avatars: int


FULL = Workload(200, 2, 3)
QUICK = Workload(6, 2, 2)


@dataclass(frozen=True)
class Held:
    """What the process held after so many jobs. device: memory that torch holds of the GPU; None without one."""

    jobs: int
    resident: int
    device: int | None


@dataclass(frozen=True)
class Report:
    """The worker's memory as it went on."""

    workload: Workload
    held: tuple[Held, ...]

    @property
    def growth(self) -> float:
        """Resident memory at the end as a multiple of what it was after a fifth of the jobs."""
        early = next(each for each in self.held if each.jobs >= self.workload.jobs / 5)
        return self.held[-1].resident / early.resident

    def table(self) -> Table:
        return Table(
            title=f"Memory over {self.workload.jobs} jobs, renderer preview",
            columns=("jobs done", "resident MB", "of the GPU MB"),
            rows=tuple(
                (
                    str(each.jobs),
                    f"{each.resident / 1e6:.1f}",
                    "not measured on a GPU" if each.device is None else f"{each.device / 1e6:.1f}",
                )
                for each in self.held
            ),
            notes=(
                f"Jobs of about a second, {self.workload.at_once} at once, on {self.workload.avatars} avatars of "
                "512x512 in turn, in one process; memory as it was between two jobs.",
                f"From a fifth of the jobs to the last: {self.growth:.3f} times.",
            ),
        )


def measure(workload: Workload = FULL) -> Report:
    """In a process of its own; about two minutes on two cores."""
    with TemporaryDirectory() as folder:
        avatars = Path(folder) / "avatars"
        for number in range(workload.avatars):
            build(avatars / f"{number}.mp4", 512, 512 + 2 * number)
        place = Workplace(Path(folder), avatars / "0.mp4").make()
        asked = [str(workload.jobs), str(workload.at_once), str(workload.avatars)]
        worker = [sys.executable, "-m", "bench.soaking_worker", *asked]
        answer = subprocess.run(worker, cwd=ROOT, env=place.environment(), capture_output=True, text=True, check=True)
        found = json.loads(answer.stdout.splitlines()[-1])
        return Report(workload, tuple(Held(**each) for each in found))
