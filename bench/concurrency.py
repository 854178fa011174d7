"""Several jobs at once on one worker: what a frame takes when it is shared with others."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.passage import text_of
from bench.table import Table, met
from bench.workplace import Workplace
from builder.default_avatar import build
from engine.cancel import CancelToken
from engine.engine import Engine, Job
from engine.store.local import LocalStore

SESSION = "bench"
COUNTS = (1, 2, 5)


@dataclass(frozen=True)
class Workload:
    """Videos of ``width`` x ``height`` and about ``seconds`` each."""

    width: int
    height: int
    seconds: float
    repetitions: int


FULL = Workload(512, 512, 12, 5)
QUICK = Workload(256, 256, 2, 1)


@dataclass(frozen=True)
class Together:
    """``jobs`` that ran at once, and were all done after ``seconds``."""

    jobs: int
    frames: int
    seconds: float

    @property
    def rate(self) -> float:
        """Frames a second of all jobs together."""
        return self.frames / self.seconds

    @property
    def milliseconds(self) -> float:
        """A frame's, of all jobs together."""
        return 1000 / self.rate


@dataclass(frozen=True)
class Report:
    """``rounds``: in each, every one of COUNTS once."""

    workload: Workload
    renderer: str
    rounds: tuple[tuple[Together, ...], ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """For each of COUNTS, a frame's time as a multiple of one job's: the median of the rounds."""
        return tuple(
            median(each[place].milliseconds / each[0].milliseconds for each in self.rounds)
            for place in range(len(COUNTS))
        )

    def table(self) -> Table:
        return Table(
            title=f"Jobs at once at {self.workload.width}x{self.workload.height}, renderer {self.renderer}",
            columns=("jobs", "frames", "frames/s together", "ms a frame", "times one job's"),
            rows=tuple(self._row(place) for place in range(len(COUNTS))),
            notes=(
                f"Medians of {len(self.rounds)} rounds, the ratios' of the rounds; about {self.workload.seconds:g} s "
                "of speech in each job, from a text; all jobs have the same prepared avatar.",
                f"Goal: a frame of {COUNTS[-1]} jobs takes no longer than of one: {met(self.ratios[-1] <= 1)}.",
            ),
        )

    def _row(self, place: int) -> tuple[str, ...]:
        found = [each[place] for each in self.rounds]
        return (
            str(COUNTS[place]),
            str(found[0].frames),
            f"{median(each.rate for each in found):.1f}",
            f"{median(each.milliseconds for each in found):.2f}",
            f"{self.ratios[place]:.2f}",
        )


def measure(workload: Workload = FULL) -> Report:
    """About two minutes on two cores."""
    with TemporaryDirectory() as folder:
        avatar = Path(folder) / "avatars" / "default.mp4"
        build(avatar, workload.width, workload.height)
        settings = Workplace(Path(folder), avatar).make().settings()
        engine = Engine.open(settings, LocalStore(settings.store_dir))
        engine.warm()
        run(engine, {"action": "create_session", "session_id": SESSION})
        text = text_of(workload.seconds)
        together(engine, text, 1)
        rounds = tuple(tuple(together(engine, text, count) for count in COUNTS) for _ in range(workload.repetitions))
        return Report(workload, engine.renderer.name, rounds)


def together(engine: Engine, text: str, count: int) -> Together:
    """So many jobs of the session at once."""
    request = {"session_id": SESSION, "text": text}
    began = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        frames = list(pool.map(lambda _: run(engine, request), range(count)))
    return Together(count, sum(frames), time.perf_counter() - began)


def run(engine: Engine, job_input: dict[str, str]) -> int:
    """Do a job of that input; the frames of its video."""
    reply = engine.run(Job(f"job-{uuid.uuid4()}", job_input), lambda _: None, CancelToken())
    return int(reply.get("frames", 0))
