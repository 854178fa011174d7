"""Part ``jobs``: many short jobs one after another, for what they leave in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.device_clock import peak_bytes, taken_bytes
from bench.drawing_stage import drawing_stage
from bench.frame_jobs import JobSource, counted, run_job
from bench.gpu_place import Place, gigabytes
from bench.machine import NO_GPU
from bench.process_memory import resident_bytes
from bench.synthetic_avatar import SyntheticAvatar, swelling_hum
from bench.table import Table, met

CEILING = 16e9
GROWTH = 1.01
"""The most that may be taken after the last job, in what was taken after a tenth of them."""
STOPS = 10


@dataclass(frozen=True)
class Stop:
    """What was taken after so many jobs. device: all of the GPU's memory; peak: the most of torch's so far."""

    jobs: int
    resident: int
    device: int | None
    peak: int | None

    def row(self) -> tuple[str, ...]:
        return str(self.jobs), f"{self.resident / 1e9:.2f}", gigabytes(self.device), gigabytes(self.peak)


def measure(place: Place) -> Iterator[Table]:
    """A table at every stop, each with all stops so far."""
    avatars = [SyntheticAvatar.of(place.amounts.size, count) for count in (5, 7)]
    sound, wanted = swelling_hum(place.amounts.short_frames), place.amounts.short_jobs
    stops: list[Stop] = []
    with drawing_stage(place) as stage:
        for done in range(1, wanted + 1):
            run_job(JobSource(stage.loop, avatars[done % len(avatars)], sound), counted)
            if done % max(1, wanted // STOPS) == 0:
                stops.append(Stop(done, resident_bytes(), taken_bytes(place.device), peak_bytes(place.device)))
                yield _table(place, stops)


def _table(place: Place, stops: Sequence[Stop]) -> Table:
    first, last = stops[0], stops[-1]
    resident = last.resident / first.resident
    notes = [
        f"Jobs of {place.amounts.short_frames} frames one after another, two avatars in turn; without encoding.",
        f"RAM at the end over the first row: {resident:.3f}; goal {GROWTH}: {met(resident <= GROWTH)}.",
    ]
    if first.device is None or last.device is None:
        notes.append(f"VRAM: {NO_GPU}.")
    else:
        grown = last.device / first.device
        notes.append(f"VRAM at the end over the first row: {grown:.3f}; goal {GROWTH}: {met(grown <= GROWTH)}.")
        notes.append(f"All of it within {CEILING / 1e9:.0f} GB: {met(max(_taken(stops)) <= CEILING)}.")
    return Table(
        title="What many jobs leave in memory",
        columns=("jobs done", "GB of RAM, resident", "GB of VRAM taken in all", "GB of VRAM, torch's peak"),
        rows=tuple(stop.row() for stop in stops),
        notes=tuple(notes),
    )


def _taken(stops: Sequence[Stop]) -> list[int]:
    return [stop.device for stop in stops if stop.device is not None]
