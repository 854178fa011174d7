"""What a trace of torch's profiler says of a GPU: when it was busy, with what, and how many bytes went either way.

Source of the format: the Chrome trace events that ``torch.profiler.profile.export_chrome_trace`` writes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KERNEL, COPY, FILL = "kernel", "gpu_memcpy", "gpu_memset"
"""Categories of what runs on a GPU."""


@dataclass(frozen=True)
class Kernel:
    """All runs of one kernel: ``share`` of the time that the GPU was busy."""

    name: str
    runs: int
    ms: float
    share: float


@dataclass(frozen=True)
class DeviceTrace:
    """``span_ms``: from the first to the last that ran on the GPU; ``busy_ms``: when anything did."""

    span_ms: float
    busy_ms: float
    to_device: int
    to_host: int
    kernels: tuple[Kernel, ...]

    @property
    def idle(self) -> float:
        """The share of the span in which nothing ran."""
        return 1 - self.busy_ms / self.span_ms if self.span_ms else 0.0

    @classmethod
    def read(cls, path: Path) -> DeviceTrace:
        return cls.of(json.loads(path.read_text())["traceEvents"])

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> DeviceTrace:
        """Of a trace's events; times in it are microseconds."""
        ran = [event for event in events if event.get("ph") == "X" and event.get("cat") in (KERNEL, COPY, FILL)]
        spans = sorted((float(event["ts"]), float(event["ts"]) + float(event["dur"])) for event in ran)
        ends = [end for _, end in spans]
        return cls(
            span_ms=(max(ends) - spans[0][0]) / 1000 if spans else 0.0,
            busy_ms=_covered(spans) / 1000,
            to_device=_copied(ran, "HtoD"),
            to_host=_copied(ran, "DtoH"),
            kernels=_kernels(ran),
        )


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """How much of the time is covered by spans in the order of their starts, which may overlap."""
    covered, reached = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _copied(ran: Iterable[Mapping[str, Any]], way: str) -> int:
    copies = (event for event in ran if event["cat"] == COPY and way in event["name"])
    return sum(int(event.get("args", {}).get("bytes", 0)) for event in copies)


def _kernels(ran: Iterable[Mapping[str, Any]]) -> tuple[Kernel, ...]:
    """The longest first."""
    times: dict[str, list[float]] = defaultdict(list)
    for event in ran:
        times[event["name"]].append(float(event["dur"]) / 1000)
    whole = sum(sum(each) for each in times.values())
    kernels = (Kernel(name, len(each), sum(each), sum(each) / whole) for name, each in times.items())
    return tuple(sorted(kernels, key=lambda kernel: -kernel.ms))
