"""How long the networks take to be there, beside the original files and beside diffusers and transformers.

    python -m bench.seeded_weights --dir DIR
    python -m bench.load_weights --dir DIR                  some minutes
    python -m bench.load_weights --dir DIR --device cuda    in half precision, as the worker does there

Every figure is of a fresh process, the ways in turn, with the files in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.machine import describe
from bench.table import Table, met
from bench.workplace import ROOT
from builder.progress import readable
from engine.nets.weight_files import MADE_OF, PACKED_FOLDER, Official

GOAL_SECONDS = 4.0
FULL, QUICK = 3, 1
CHUNK = 1 << 24

NETWORK_WAYS = {
    "ours": "ours",
    "mapped": "diffusers + transformers at their best",
    "reference": "as the reference does",
}
FILE_WAYS = ("original", "float16", "float32")


@dataclass(frozen=True)
class Weights:
    """The folder of the weights, and how they are wanted."""

    folder: Path
    device: str = "cpu"
    quick: bool = False

    def arguments(self) -> list[str]:
        return ["--dir", str(self.folder), "--device", self.device, *(["--quick"] if self.quick else [])]

    def files(self) -> list[Path]:
        packed = self.folder / PACKED_FOLDER
        return [*(self.folder / official for official in Official), *(packed / name for name in MADE_OF)]

    def bytes_of(self, official: Official, way: str) -> int:
        """How many bytes are read of a file: all of the original, or of what it is packed into."""
        if way == "original":
            return (self.folder / official).stat().st_size
        packed = [name for name, source in MADE_OF.items() if source is official]
        return sum((self.folder / PACKED_FOLDER / name).stat().st_size for name in packed)


@dataclass(frozen=True)
class Start:
    """Seconds of each phase of one process, in order, and the deviation of the picture that it drew."""

    phases: dict[str, float]
    deviation: float

    @property
    def total(self) -> float:
        return sum(self.phases.values())


@dataclass(frozen=True)
class Report:
    """Process by process. ``files``: the seconds of each original file, by the way it was loaded."""

    weights: Weights
    starts: dict[str, tuple[Start, ...]]
    files: dict[Official, dict[str, tuple[float, ...]]]

    def saved(self, way: str) -> float:
        """Seconds less than the other way takes until it has drawn: the middle one of the rounds."""
        rounds = zip(self.starts["ours"], self.starts[way], strict=True)
        return median(other.total - ours.total for ours, other in rounds)

    def starts_table(self) -> Table:
        phases = tuple(self.starts["ours"][0].phases)
        return Table(
            title=f"From the start of the process to the first picture, on {self.weights.device}",
            columns=("seconds", *NETWORK_WAYS.values()),
            rows=(*(self._phase(phase) for phase in phases), self._total()),
            notes=(
                f"Medians of {len(self.starts['ours'])} fresh processes each, the ways in turn, after a round that "
                "isn't counted.",
                "At their best: built without initialising, the official files mapped. As the reference does: built "
                "and initialised, the UNet's file read whole, the others through from_pretrained.",
                "The first picture: each network once, the face parser too, which is ours in all columns.",
                *(self._goal(way) for way in ("mapped", "reference")),
            ),
        )

    def files_table(self) -> Table:
        return Table(
            title="Weights into memory: the original files and what they are packed into",
            columns=(
                "file",
                "original: bytes",
                "seconds",
                "packed: bytes",
                "seconds as float16",
                "seconds as float32",
            ),
            rows=(*(self._file(official) for official in Official), self._files()),
            notes=(
                "The original: `torch.load` with `weights_only`, or `load_file` and a copy of each tensor, as float32. "
                "Packed: every tensor's checksum verified, the network built and filled.",
                "Medians of fresh processes in turn; imports aren't counted; all bytes are read.",
            ),
        )

    def _phase(self, phase: str) -> tuple[str, ...]:
        return phase, *(f"{median(start.phases[phase] for start in self.starts[way]):.2f}" for way in NETWORK_WAYS)

    def _total(self) -> tuple[str, ...]:
        return "together", *(f"{median(start.total for start in self.starts[way]):.2f}" for way in NETWORK_WAYS)

    def _goal(self, way: str) -> str:
        saved = self.saved(way)
        return (
            f"Ours takes {saved:.1f} s less than {NETWORK_WAYS[way]} (median of the rounds). "
            f"Goal: at least {GOAL_SECONDS:.0f} s: {met(saved >= GOAL_SECONDS)}."
        )

    def _file(self, official: Official) -> tuple[str, ...]:
        found = self.files[official]
        original, half, whole = (f"{median(found[way]):.2f}" for way in FILE_WAYS)
        return official, self._read(official, "original"), original, self._read(official, "float16"), half, whole

    def _read(self, official: Official, way: str) -> str:
        return readable(self.weights.bytes_of(official, way))

    def _files(self) -> tuple[str, ...]:
        seconds = (f"{sum(median(found[way]) for found in self.files.values()):.2f}" for way in FILE_WAYS)
        original, half, whole = seconds
        read = (sum(self.weights.bytes_of(official, way) for official in Official) for way in ("original", "float16"))
        before, after = (readable(count) for count in read)
        return "together", before, original, after, half, whole


def measure(weights: Weights, repetitions: int = FULL) -> Report:
    """Load so many times each way, after a round that isn't counted."""
    for path in weights.files():
        _cache(path)
    _round(weights)
    rounds = [_round(weights) for _ in range(repetitions)]
    files = [_files_round(weights) for _ in range(repetitions)]
    return Report(
        weights,
        {way: tuple(each[way] for each in rounds) for way in NETWORK_WAYS},
        {official: {way: tuple(each[official][way] for each in files) for way in FILE_WAYS} for official in Official},
    )


def started(way: str, weights: Weights) -> Start:
    """Load the networks in a fresh process and read how long its phases took."""
    began = time.monotonic()
    answer = json.loads(_run("bench.loading_networks", way, *weights.arguments()))
    # Linux has one monotonic clock for all processes.
    times = [began, *answer["ends"].values()]
    phases = {phase: after - before for phase, (before, after) in zip(answer["ends"], pairwise(times), strict=True)}
    return Start(phases, answer["deviation"])


def loaded(official: Official, way: str, weights: Weights) -> float:
    """Seconds that a fresh process takes for one file, its imports apart."""
    size = ["--quick"] if weights.quick else []
    return float(_run("bench.loading_files", way, official, "--dir", str(weights.folder), *size))


def _round(weights: Weights) -> dict[str, Start]:
    return {way: started(way, weights) for way in NETWORK_WAYS}


def _files_round(weights: Weights) -> dict[Official, dict[str, float]]:
    return {official: {way: loaded(official, way, weights) for way in FILE_WAYS} for official in Official}


def _run(module: str, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{module} {arguments[0]} failed:\n{finished.stderr[-2000:]}")
    return finished.stdout.splitlines()[-1]


def _cache(path: Path) -> None:
    """Have the system read the file, so that it holds it."""
    with path.open("rb") as file:
        while file.read(CHUNK):
            pass


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load_weights", description="Measure loading.")
    parser.add_argument("--dir", type=Path, required=True, help="folder of the official files, with packed/ in it")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny networks, once: to see that it works")
    given = parser.parse_args(arguments)
    report = measure(Weights(given.dir, given.device, given.quick), QUICK if given.quick else FULL)
    print("\n".join(f"- {row}" for row in describe(datetime.now(UTC)).rows()), end="\n\n")
    print(report.starts_table().markdown(), report.files_table().markdown(), sep="\n\n")
    print(f"\nLoad average of the last minute at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
