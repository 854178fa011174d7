"""An avatar prepared for MuseTalk against the reference's way, in one run, from a video to what drawing starts from.

Both ways have the same seeded weights and find the same face, which the weights are told; the autoencoder's part is
left out of both and measured by itself. The repetitions alternate between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from bench.cpu_time import cpu_seconds
from bench.reference_preparation import ReferenceSpent, prepare_as_reference
from bench.seeded_preparation import FULL, SeededPreparation, Workload
from bench.table import Table, met
from engine.avatar.preparation import Naming, Preparation
from engine.cancel import CancelToken
from engine.lipsync.options import PreparationOptions
from engine.media.limits import MediaLimits

GOAL = 3.0
LIMITS = MediaLimits(max_bytes=1 << 30, max_seconds=600, max_pixels=1 << 24, memory_bytes=4 << 30, decode_seconds=600)


@dataclass(frozen=True)
class Spent:
    """Seconds that passed, and seconds of all cores together, over one preparation without its latents."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Round:
    """One repetition of both ways. The encodes: seconds for all frames, either way."""

    ours: Spent
    reference: Spent
    stages: ReferenceSpent
    our_encodes: float
    reference_encodes: float


@dataclass(frozen=True)
class Report:
    """Repetition by repetition."""

    workload: Workload
    device: str
    rounds: tuple[Round, ...]

    @property
    def times_as_fast(self) -> float:
        """Without the encodes: the middle one of the repetitions."""
        return median(each.reference.wall / each.ours.wall for each in self.rounds)

    def table(self) -> Table:
        size = f"{self.workload.width}x{self.workload.height}"
        return Table(
            title=f"Preparing an avatar for MuseTalk at {size} against the reference's way, on {self.device}",
            columns=("milliseconds a frame", "here", "reference's way", "times as fast"),
            rows=(
                self._row("all but the encodes", lambda one: one.ours.wall, lambda one: one.reference.wall),
                self._row("the same without S3FD", lambda one: one.ours.wall, _without_detection),
                self._row("all but the encodes, of all cores", lambda one: one.ours.cpu, lambda one: one.reference.cpu),
                *(self._stage(name, of) for name, of in STAGES.items()),
                self._row("the encodes", lambda one: one.our_encodes, lambda one: one.reference_encodes),
            ),
            notes=self._notes(),
        )

    def _row(self, name: str, ours: Callable[[Round], float], reference: Callable[[Round], float]) -> tuple[str, ...]:
        times = median(reference(one) / ours(one) for one in self.rounds)
        return (name, self._ms(ours), self._ms(reference), f"{times:.2f}")

    def _stage(self, name: str, of: Callable[[ReferenceSpent], float]) -> tuple[str, ...]:
        return (f"- {name}", "", self._ms(lambda one: of(one.stages)), "")

    def _ms(self, of: Callable[[Round], float]) -> str:
        return f"{1000 * median(of(one) for one in self.rounds) / self.workload.frames:.0f}"

    def _notes(self) -> tuple[str, ...]:
        return (
            f"{self.workload.frames} frames, {len(self.rounds)} repetitions in turn after one of ours that isn't "
            "counted; medians, the ratios' of the pairs.",
            "All but the encodes: from a video file to the bundle's files, or to the reference's PNG files; the "
            "autoencoder answers zeros at once. The encodes: the masked and the whole face of every frame through it, "
            "here both in one call, in the reference's way one by one.",
            "Seeded weights in the official sizes: DWPose as RTMPose-l for 288x384, through onnxruntime on both sides; "
            "S3FD, which only the reference's way has, in fp32 at the frame's full size, its boxes not merged; the "
            "parser is ours on both sides. The face's place is told, not found.",
            f"Goal: all but the encodes at least {GOAL:.0f} times as fast: {met(self.times_as_fast >= GOAL)}.",
        )


def _without_detection(one: Round) -> float:
    return one.reference.wall - one.stages.detection


STAGES: dict[str, Callable[[ReferenceSpent], float]] = {
    "frames to PNG and back": lambda spent: spent.frames,
    "DWPose and its mirror image": lambda spent: spent.landmarks,
    "S3FD": lambda spent: spent.detection,
    "cutting out": lambda spent: spent.crops_made,
    "two masks and PNG files": lambda spent: spent.masks,
}


def measure(workload: Workload = FULL) -> Report:
    """Both ways in turn; some minutes on two cores."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with TemporaryDirectory() as folder:
        bench = _Bench(SeededPreparation.make(workload, device, Path(folder)), Path(folder))
        bench.ours("warm")
        rounds = tuple(bench.round(number) for number in range(workload.repetitions))
    return Report(workload, device.type, rounds)


@dataclass(frozen=True)
class _Bench:
    """Both ways, each into a fresh folder below ``folder``."""

    made: SeededPreparation
    folder: Path

    def round(self, number: int) -> Round:
        stages: list[ReferenceSpent] = []
        ours = _spent(lambda: self.ours(f"ours-{number}"))
        reference = _spent(lambda: stages.append(self.reference(f"reference-{number}")))
        return Round(ours, reference, stages[0], *self._encodes(stages[0].crops))

    def ours(self, name: str) -> None:
        target = self.folder / name
        target.mkdir()
        naming = Naming(key="0" * 64, attempt="0" * 32, created=datetime.now(UTC))
        Preparation(self.made.preparer, LIMITS).make(
            self.made.video, target, naming, PreparationOptions(), lambda stage, share: None, CancelToken()
        )

    def reference(self, name: str) -> ReferenceSpent:
        return prepare_as_reference(self.made.video, self.folder / name, self.made.reference)

    def _encodes(self, crops: NDArray[np.float32]) -> tuple[float, float]:
        """Seconds for all faces, each frame's two in one call, and one by one."""
        faces, encoder = torch.from_numpy(crops).to(self.made.device, self.made.dtype), self.made.encoder
        with torch.inference_mode():
            together = _spent(lambda: [encoder(both).cpu() for both in faces])
            singly = _spent(lambda: [encoder(face).cpu() for face in faces.flatten(0, 1)[:, None]])
        return together.wall, singly.wall


def _spent(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Spent(time.perf_counter() - wall, cpu_seconds() - cpu)
