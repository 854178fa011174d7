"""Composition and encoding against the reference's way, in one run.

Both start from the same frames and the same mouths at the size of the box, each in its own form, and end with a
video file with sound. The repetitions alternate between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from bench.cpu_time import cpu_seconds
from bench.reference_composition import composed_to_png
from bench.reference_encoding import encoded_twice
from bench.scene import Scene, swaying_scene
from bench.table import Table, met
from engine.timebase import PLAYED_PER_FRAME, PLAYED_RATE
from engine.video.compose import Alpha, compose
from engine.video.encode import EncoderSettings, Mp4Writer, Samples
from engine.video.quality import Quality

GOAL = 0.1
COMPOSE_GOAL_MS = 3.0
FULL_FRAMES, FULL_REPETITIONS = 75, 3
QUICK_FRAMES, QUICK_REPETITIONS = 10, 1
QUALITIES: tuple[Quality, ...] = ("draft", "high")
PRESETS: tuple[Literal["superfast", "veryfast", "faster"], ...] = ("superfast", "veryfast", "faster")


@dataclass(frozen=True)
class Spent:
    """Seconds that one repetition took: laying over (with the PNG files, where there are any) and encoding.

    ``cpu`` is the time of all cores, over both.
    """

    composing: float
    encoding: float
    cpu: float
    bytes: int

    @property
    def total(self) -> float:
        return self.composing + self.encoding


@dataclass(frozen=True)
class Comparison:
    """Repetition by repetition, ours and the reference's, in the order they ran."""

    width: int
    height: int
    frames: int
    ours: tuple[Spent, ...]
    reference: tuple[Spent, ...]

    @property
    def ratio(self) -> float:
        """Our time as a share of the reference's: the middle one of the repetitions."""
        return median(one.total / other.total for one, other in zip(self.ours, self.reference, strict=True))

    @property
    def cpu_ratio(self) -> float:
        """The same of the time of all cores."""
        return median(one.cpu / other.cpu for one, other in zip(self.ours, self.reference, strict=True))

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A row of the table for each way."""
        size = f"{self.width}x{self.height}"
        return (
            self._row(f"here, {size}", self.ours, f"{self.ratio:.3f}", f"{self.cpu_ratio:.3f}"),
            self._row(f"reference's way, {size}", self.reference, "1", "1"),
        )

    def note(self) -> str:
        return (
            f"{self.width}x{self.height}: {1 / self.ratio:.1f} times as fast; goal: a tenth of the time: "
            f"{met(self.ratio <= GOAL)}."
        )

    def _row(self, name: str, spent: tuple[Spent, ...], *ratios: str) -> tuple[str, ...]:
        composing = median(each.composing for each in spent) * 1000 / self.frames
        encoding = median(each.encoding for each in spent) * 1000 / self.frames
        cpu = median(each.cpu for each in spent) * 1000 / self.frames
        rate = self.frames / median(each.total for each in spent)
        megabytes = f"{spent[-1].bytes / 1e6:.2f}"
        return (name, f"{composing:.2f}", f"{encoding:.2f}", f"{cpu:.2f}", f"{rate:.1f}", megabytes, *ratios)


@dataclass(frozen=True)
class PresetFigure:
    """How fast one preset, or what a quality means, encodes a scene, and into how much."""

    name: str
    crf: int
    threads: int
    frames_a_second: float
    bytes: int

    def row(self) -> tuple[str, ...]:
        return (self.name, str(self.crf), str(self.threads), f"{self.frames_a_second:.1f}", f"{self.bytes / 1e6:.2f}")


@dataclass(frozen=True)
class Report:
    """All that this bench measures."""

    comparisons: tuple[Comparison, ...]
    whole_box_ms: float
    presets: tuple[PresetFigure, ...]

    def table(self) -> Table:
        first = self.comparisons[0]
        return Table(
            title="Composition and encoding against the reference's way",
            columns=("", "composing ms", "encoding ms", "all cores ms", "frames/s", "MB", "ratio", "all cores' ratio"),
            rows=tuple(row for comparison in self.comparisons for row in comparison.rows()),
            notes=(
                f"{first.frames} frames with their sound, {len(first.ours)} repetitions in turn; milliseconds a "
                "frame; medians, the ratios' of the pairs.",
                "The reference's ffmpeg steps are done by PyAV with ffmpeg's default settings.",
                *(comparison.note() for comparison in self.comparisons),
                f"Composition alone at 1080p, no sample of a 600x600 mask zero, one thread: {self.whole_box_ms:.2f} ms "
                f"a frame; goal: {COMPOSE_GOAL_MS:.0f} ms: {met(self.whole_box_ms <= COMPOSE_GOAL_MS)}.",
            ),
        )

    def presets_table(self) -> Table:
        return Table(
            title="libx264 at 720p, encoding alone",
            columns=("preset or quality", "crf", "threads", "frames/s", "MB"),
            rows=tuple(figure.row() for figure in self.presets),
        )


def measure(frames: int = FULL_FRAMES, repetitions: int = FULL_REPETITIONS) -> Report:
    """Run everything: about a minute on two cores."""
    with TemporaryDirectory() as folder:
        hd, full_hd = swaying_scene(1280, 720, 400, frames), swaying_scene(1920, 1080, 600, frames)
        return Report(
            comparisons=tuple(compared(scene, repetitions, Path(folder)) for scene in (hd, full_hd)),
            whole_box_ms=whole_box(full_hd) * 1000,
            presets=tuple(encoded_alone(hd, name, each, Path(folder)) for name, each in encodings()),
        )


def encodings() -> Iterator[tuple[str, EncoderSettings]]:
    """Every preset with one and with two threads, and what the qualities beside the standard mean."""
    for preset in PRESETS:
        for threads in (1, 2):
            yield preset, EncoderSettings(preset=preset, threads=threads)
    for quality in QUALITIES:
        yield quality, EncoderSettings().at(quality)


def compared(scene: Scene, repetitions: int, folder: Path) -> Comparison:
    """Both ways in turn, ``repetitions`` times; their files are left in ``folder``."""
    ours, reference = [], []
    for _ in range(repetitions):
        ours.append(our_way(scene, folder / "ours.mp4"))
        reference.append(reference_way(scene, folder / "reference.mp4"))
    return Comparison(*scene.size, len(scene.frames), tuple(ours), tuple(reference))


def our_way(scene: Scene, target: Path) -> Spent:
    """The mask is prepared, too, within the time."""
    sound = hum(len(scene.frames) * PLAYED_PER_FRAME)
    composing = 0.0
    began, used = time.perf_counter(), cpu_seconds()
    with Mp4Writer(target, *scene.size, EncoderSettings()) as writer:
        alpha = Alpha.of(scene.mask)
        for number, (frame, crop) in enumerate(zip(scene.frames, scene.crops, strict=True)):
            before = time.perf_counter()
            picture = compose(frame, crop, scene.box, alpha)
            composing += time.perf_counter() - before
            writer.write_frame(picture)
            writer.write_sound(sound[number * PLAYED_PER_FRAME : (number + 1) * PLAYED_PER_FRAME])
    encoding = time.perf_counter() - began - composing
    return Spent(composing, encoding, cpu_seconds() - used, target.stat().st_size)


def reference_way(scene: Scene, target: Path) -> Spent:
    sound = hum(len(scene.frames) * PLAYED_PER_FRAME)
    used = cpu_seconds()
    with TemporaryDirectory(dir=target.parent) as folder:
        composing = _seconds(lambda: composed_to_png(scene, Path(folder)))
        encoding = _seconds(lambda: encoded_twice(Path(folder), sound, target))
    return Spent(composing, encoding, cpu_seconds() - used, target.stat().st_size)


def whole_box(scene: Scene, repetitions: int = 50) -> float:
    """Seconds to compose one frame whose mask has no zero: the middle one of the repetitions."""
    alpha = Alpha.of(np.maximum(scene.mask, 1))
    frame, crop = scene.frames[0], scene.crops[0]
    return median(_seconds(lambda: compose(frame, crop, scene.box, alpha)) for _ in range(repetitions))


def encoded_alone(scene: Scene, name: str, settings: EncoderSettings, folder: Path) -> PresetFigure:
    target = folder / "preset.mp4"
    began = time.perf_counter()
    with Mp4Writer(target, *scene.size, settings) as writer:
        for frame in scene.frames:
            writer.write_frame(frame)
    rate = len(scene.frames) / (time.perf_counter() - began)
    return PresetFigure(name, settings.crf, settings.threads, rate, target.stat().st_size)


def hum(samples: int) -> Samples:
    """A low tone with overtones."""
    at = np.arange(samples) * 2 * np.pi / PLAYED_RATE
    wave = sum(np.sin(at * 140 * overtone) / overtone for overtone in range(1, 12))
    return np.asarray(4000 * wave, np.int16)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
