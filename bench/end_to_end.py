"""A text to a stored video with the real engine: how fast against real time, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.cpu_time import cpu_seconds
from bench.passage import text_of
from bench.table import Table, met
from bench.workplace import Workplace
from builder.default_avatar import build
from engine.cancel import CancelToken
from engine.engine import Engine, Job
from engine.store.local import LocalStore
from engine.timebase import FRAME_RATE

GOAL = 1.0
SESSION = "bench"
STAGES = ("speech", "listening", "reading", "drawing", "composing", "encoding", "saving")


@dataclass(frozen=True)
class Workload:
    """``seconds`` is about how long the speech lasts; every repetition has an engine and a store of its own."""

    width: int
    height: int
    seconds: float
    repetitions: int


FULL = Workload(1280, 720, 20, 3)
QUICK = Workload(1280, 720, 4, 1)


@dataclass(frozen=True)
class Spent:
    """What one job took: seconds that passed, and seconds of all cores together, decoding processes included."""

    wall: float
    cpu: float
    answer: dict[str, Any]


@dataclass(frozen=True)
class Repetition:
    """An avatar prepared, and then made to speak."""

    prepared: Spent
    spoken: Spent

    @property
    def prepared_rate(self) -> float:
        """Avatar frames a second."""
        return float(self.prepared.answer["avatar"]["seconds"]) * FRAME_RATE / self.prepared.wall

    @property
    def rate(self) -> float:
        """Frames of the video a second."""
        return float(self.spoken.answer["frames"]) / self.spoken.wall

    @property
    def times_real_time(self) -> float:
        return float(self.spoken.answer["duration"]) / self.spoken.wall

    def busy(self, stage: str) -> float:
        """Seconds that the stage was busy; stages run beside each other, and waiting for a core counts."""
        return float(self.spoken.answer["timings"].get(stage, 0.0))


@dataclass(frozen=True)
class Report:
    """All repetitions of one workload."""

    workload: Workload
    repetitions: tuple[Repetition, ...]

    @property
    def times_real_time(self) -> float:
        return median(each.times_real_time for each in self.repetitions)

    def table(self) -> Table:
        size = f"{self.workload.width}x{self.workload.height}"
        renderer = self.repetitions[0].spoken.answer["renderer"]
        numbers = tuple(str(number) for number in range(1, len(self.repetitions) + 1))
        spoken = self.repetitions[0].spoken.answer
        return Table(
            title=f"End to end at {size}, renderer {renderer}",
            columns=("", *(f"run {number}" for number in numbers), "median"),
            rows=(
                self._row("preparing: frames/s", "{:.1f}", lambda run: run.prepared_rate),
                self._row("speaking: frames/s", "{:.1f}", lambda run: run.rate),
                self._row("speaking: times real time", "{:.2f}", lambda run: run.times_real_time),
                self._row("speaking: seconds", "{:.2f}", lambda run: run.spoken.wall),
                self._row("speaking: seconds of all cores", "{:.2f}", lambda run: run.spoken.cpu),
                *(self._stage_row(stage) for stage in STAGES),
            ),
            notes=(
                f"{spoken['duration']:.2f} s of speech ({spoken['frames']} frames) from a text, "
                f"{self.repetitions[0].prepared.answer['avatar']['seconds']:.2f} s of avatar; the job's whole time "
                "counts, from its input to the stored files.",
                "Stages run beside each other, so their seconds add up to more than the job's.",
                f"Goal: at least {GOAL:.0f} times real time: {met(self.times_real_time >= GOAL)}.",
            ),
        )

    def _stage_row(self, stage: str) -> tuple[str, ...]:
        return self._row(f"busy {stage}: seconds", "{:.2f}", lambda run: run.busy(stage))

    def _row(self, name: str, form: str, of: Callable[[Repetition], float]) -> tuple[str, ...]:
        found = [of(each) for each in self.repetitions]
        return (name, *(form.format(value) for value in (*found, median(found))))


def measure(workload: Workload = FULL) -> Report:
    """Prepare and speak as often as the workload says; about a minute on two cores."""
    with TemporaryDirectory() as folder:
        avatar = Path(folder) / "avatars" / "default.mp4"
        build(avatar, workload.width, workload.height)
        places = (Workplace(Path(folder) / str(number), avatar).make() for number in range(workload.repetitions))
        return Report(workload, tuple(_repetition(place, workload.seconds) for place in places))


def _repetition(place: Workplace, seconds: float) -> Repetition:
    settings = place.settings()
    engine = Engine.open(settings, LocalStore(settings.store_dir))
    engine.warm()
    prepared = _spent(engine, {"action": "create_session", "session_id": SESSION})
    return Repetition(prepared, _spent(engine, {"session_id": SESSION, "text": text_of(seconds)}))


def _spent(engine: Engine, job_input: dict[str, str]) -> Spent:
    wall, cpu = time.perf_counter(), cpu_seconds()
    answer = engine.run(Job(f"job-{job_input.get('action', 'generate')}", job_input), lambda _: None, CancelToken())
    return Spent(time.perf_counter() - wall, cpu_seconds() - cpu, answer)
