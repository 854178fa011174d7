"""Part ``frames``: whole jobs in the frame loop, one and several at once, beside the plain way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.device_clock import forget_peak, settle, taken_bytes
from bench.drawing_stage import DrawingStage, drawing_stage
from bench.frame_jobs import JobSource, Sound, counted, seconds_of
from bench.gpu_figures import leave
from bench.gpu_place import Place, gigabytes, rated
from bench.machine import NO_GPU
from bench.plain_networks import plain_networks
from bench.plain_way import composed, faces_of, features_of
from bench.random_weights import RandomWeights
from bench.synthetic_avatar import SyntheticAvatar, swelling_hum
from bench.table import Table, met
from engine.timebase import FRAME_RATE, PLAYED_PER_FRAME
from engine.video.i420 import I420

NO_AV = "not measured: PyAV is not installed"
GOAL_FPS, GOAL_TIMES = 300.0, 3.0


@dataclass(frozen=True)
class Rate:
    """Frames a second of all jobs together: composed, and encoded too where PyAV is installed."""

    name: str
    jobs: int
    composed: float
    encoded: float | None
    taken: int | None

    @property
    def seconds(self) -> float:
        """A frame's: encoded where that was measured."""
        return 1 / (self.composed if self.encoded is None else self.encoded)

    def row(self, plain: Rate | None) -> tuple[str, ...]:
        """A row of COLUMNS; without ``plain`` nothing is compared."""
        encoded = NO_AV if self.encoded is None else rated(self.encoded)
        alone = f"{self.composed / self.jobs / FRAME_RATE:.2f}"
        times = "" if plain is None else f"{self.composed / plain.composed:.2f}"
        times_encoded = "" if plain is None else _times(self.encoded, plain.encoded)
        return (
            self.name,
            str(self.jobs),
            rated(self.composed),
            times,
            encoded,
            times_encoded,
            alone,
            gigabytes(self.taken),
        )


def _times(rate: float | None, other: float | None) -> str:
    return "" if rate is None or other is None else f"{rate / other:.2f}"


COLUMNS = (
    "",
    "jobs at once",
    "frames/s, composed",
    "times the plain way",
    "frames/s, encoded",
    "times the plain way",
    "each job: times real time",
    "GB of VRAM taken",
)


def measure(place: Place) -> Iterator[Table]:
    avatar, sound = SyntheticAvatar.of(place.amounts.size), swelling_hum(place.amounts.frames)
    networks, plain = _plain(place, avatar, sound)
    yield _table(place, networks, (plain,))
    ours = our_rates(place, avatar, sound)
    leave(place.shared, "drawing", ours[0].seconds)
    leave(place.shared, "busy", ours[-1].seconds)
    yield _table(place, networks, (plain, *ours))


def our_rates(place: Place, avatar: SyntheticAvatar, sound: Sound) -> list[Rate]:
    """The frame loop with as many jobs at once as are asked for, one number after another."""
    with drawing_stage(place) as stage:
        return [_ours(place, stage, JobSource(stage.loop, avatar, sound), jobs) for jobs in place.amounts.jobs]


def _table(place: Place, networks: str, rates: tuple[Rate, ...]) -> Table:
    plain, *ours = rates
    width, height = place.amounts.size
    return Table(
        title=f"Whole jobs at {width}x{height}: sound in, frames out",
        columns=COLUMNS,
        rows=tuple(rate.row(plain) for rate in rates),
        notes=(
            f"{place.amounts.frames} frames a job, all of them speaking; hearing the sound is within the time; the "
            "avatar's frames lie in memory instead of being decoded.",
            f"The plain way: {networks}, fp32 as its script's default, batches of 8, PNG files as a part of composing. "
            "Ours encodes once beside the drawing, the plain way twice after it.",
            _goals(place, plain, ours),
        ),
    )


def _goals(place: Place, plain: Rate, ours: Sequence[Rate]) -> str:
    if not place.on_gpu or not ours:
        return f"Goals of {GOAL_FPS:.0f} frames/s and {GOAL_TIMES:.0f} times the plain way: {NO_GPU}."
    times = ours[0].composed / plain.composed
    best = max(rate.composed for rate in ours)
    return (
        f"Goals: {GOAL_FPS:.0f} frames/s: {met(best >= GOAL_FPS)}; {GOAL_TIMES:.0f} times the plain way: "
        f"{met(times >= GOAL_TIMES)}."
    )


def _plain(place: Place, avatar: SyntheticAvatar, sound: Sound) -> tuple[str, Rate]:
    with torch.inference_mode(), TemporaryDirectory() as folder:
        networks = plain_networks(RandomWeights.on(place.device, place.configs), torch.float32)
        kept = avatar.plain(place.device)
        # What the first batch loads isn't counted, nor is it for the frame loop.
        list(faces_of(networks, features_of(networks, swelling_hum(1)), kept.latents))
        settle(place.device)
        began = time.perf_counter()
        faces = list(faces_of(networks, features_of(networks, sound), kept.latents))
        composed(kept, faces, Path(folder))
        drawn = time.perf_counter() - began
        encoding = _plain_encoding(Path(folder), len(faces))
        taken = taken_bytes(place.device)
    forget_peak(place.device)
    encoded = None if encoding is None else len(faces) / (drawn + encoding)
    return networks.name, Rate("plain way", 1, len(faces) / drawn, encoded, taken)


def _plain_encoding(folder: Path, frames: int) -> float | None:
    if not find_spec("av"):
        return None
    from bench.compose_encode import hum
    from bench.reference_encoding import encoded_twice

    sound, began = hum(frames * PLAYED_PER_FRAME), time.perf_counter()
    encoded_twice(folder, sound, folder / "out.mp4")
    return time.perf_counter() - began


def _ours(place: Place, stage: DrawingStage, source: JobSource, jobs: int) -> Rate:
    frames = jobs * place.amounts.frames
    composing = seconds_of(source, [counted] * jobs)
    encoding = _our_encoding(source, jobs)
    encoded = None if encoding is None else frames / encoding
    name = "the frame loop, compiled" if stage.compiled else "the frame loop"
    return Rate(name, jobs, frames / composing, encoded, taken_bytes(place.device))


def _our_encoding(source: JobSource, jobs: int) -> float | None:
    if not find_spec("av"):
        return None
    from engine.video.encode import EncoderSettings, Mp4Writer

    with TemporaryDirectory() as folder:
        numbers = count()

        def encoded(frames: Iterable[I420]) -> int:
            target, first = Path(folder) / f"{next(numbers)}.mp4", source.avatar.frames[0]
            with Mp4Writer(target, first.width, first.height, EncoderSettings()) as writer:
                return sum(1 for _ in map(writer.write_frame, frames))

        return seconds_of(source, [encoded] * jobs)
