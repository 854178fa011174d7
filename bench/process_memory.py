"""How much memory a process has held at most, as Linux counts it.

``getrusage`` is no help here: it starts from what the parent held when the process was made.
"""

from __future__ import annotations

import resource
from pathlib import Path

PROC = Path("/proc")


def resident_bytes() -> int:
    """What is resident of this process now."""
    return int((PROC / "self" / "statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes(pid: int | str = "self") -> int | None:
    """The most that was resident since the process began its program; None when it has ended."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else None


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started and that still run."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and _parent(entry) == pid]


class ChildrenPeaks:
    """The peak of every child of one process, each as it was when last looked at."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[int, int] = {}

    def look(self) -> None:
        # The last look counts and not the largest: until a child begins its program, it shows its parent's memory.
        for child in children_of(self._pid):
            peak = peak_bytes(child)
            if peak is not None:
                self._peaks[child] = peak

    @property
    def largest(self) -> int:
        """0 when there was no child."""
        return max(self._peaks.values(), default=0)


def _parent(entry: Path) -> int | None:
    try:
        # The program's name, in brackets, may hold blanks and brackets itself.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
