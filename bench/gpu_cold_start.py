"""Part ``cold_start``: from the start of a process to its first frame, and what compiling costs and saves there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.compiled_networks import compile_size, compiled_sizes
from bench.gpu_figures import leave
from bench.gpu_place import Place, named
from bench.machine import NO_GPU
from bench.network_sizes import QUICK
from bench.random_weights import RandomWeights
from bench.table import Table
from engine.nets.checkpoint import State
from engine.nets.packed import write_packed
from engine.nets.time_embedding import fold_time_embedding
from engine.nets.weight_files import Packed, Stamp, stamp_for

ROOT = Path(__file__).resolve().parents[1]
LAST_START_SECONDS = 45.0
"""Left for the start with compiled networks."""
FIRST_COMPILATION_SECONDS = 60.0
"""A first one isn't begun with less time than this."""


@dataclass(frozen=True)
class Start:
    """Seconds of each phase of one process, in order. compiled: the sizes of batches that were compiled before."""

    compiled: tuple[int, ...]
    phases: dict[str, float]

    @property
    def title(self) -> str:
        return f"compiled before: {', '.join(map(str, self.compiled))}" if self.compiled else "as it is"


@dataclass(frozen=True)
class Compilation:
    """Of one size of batch, in another process: seconds, and bytes of what it leaves."""

    size: int
    seconds: float
    bytes: int

    def row(self) -> tuple[str, ...]:
        return str(self.size), f"{self.seconds:.1f}", f"{self.bytes / 1e6:.1f}"


def measure(place: Place) -> Iterator[Table]:
    with TemporaryDirectory() as folder:
        packed = Path(folder)
        _pack(place, packed)
        # Once in vain: what the system reads from disk for the first time isn't the worker's.
        started(place, packed)
        starts = [started(place, packed)]
        yield _starts_table(place, starts)
        compilations: list[Compilation] = []
        for compilation in _compilations(place):
            compilations.append(compilation)
            yield _compilations_table(compilations)
        if compilations:
            starts.append(started(place, packed))
            yield _starts_table(place, starts)
        leave(place.shared, "start", sum(starts[0].phases.values()))


def started(place: Place, packed: Path) -> Start:
    """Start a process on the packed files and read how long its phases took. Raises RuntimeError where it fails."""
    compiled = compiled_sizes(place.shared)
    flags = [
        *(["--quick"] if place.configs == QUICK else []),
        *(["--artifacts", str(place.shared)] if compiled else []),
    ]
    command = [sys.executable, "-m", "bench.gpu_start", "--dir", str(packed), "--device", place.device.type, *flags]
    # Caches of its own: what it finds there comes from the artifacts alone.
    with TemporaryDirectory() as caches:
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": caches}
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that starts failed:\n{done.stderr[-2000:]}")
    ends: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    # Linux has one monotonic clock for all processes.
    times = pairwise([began, *ends.values()])
    return Start(compiled, {phase: after - before for phase, (before, after) in zip(ends, times, strict=True)})


def _compilations(place: Place) -> Iterator[Compilation]:
    """As many sizes as there is time for."""
    wanted = FIRST_COMPILATION_SECONDS
    for size in place.amounts.compiled if place.compiles else ():
        if place.seconds_left < wanted + LAST_START_SECONDS:
            return
        began = time.monotonic()
        count = compile_size(place, size)
        seconds = time.monotonic() - began
        wanted = 1.3 * seconds
        yield Compilation(size, seconds, count)


def _pack(place: Place, folder: Path) -> None:
    """Random weights as the worker's files."""
    weights = RandomWeights.on(place.device, place.configs)
    states: dict[Packed, Callable[[], State]] = {
        Packed.UNET: lambda: fold_time_embedding(weights.unet),
        Packed.VAE_ENCODER: lambda: weights.vae_encoder,
        Packed.VAE_DECODER: lambda: weights.vae_decoder,
        Packed.WHISPER: lambda: weights.whisper,
        Packed.BISENET: lambda: weights.bisenet,
    }
    for packed, state in states.items():
        stamp: Stamp = stamp_for(packed, "random", str(place.dtype).removeprefix("torch."))
        write_packed(folder / packed, {key: tensor.cpu() for key, tensor in state().items()}, stamp)


def _starts_table(place: Place, starts: Sequence[Start]) -> Table:
    phases = tuple(starts[0].phases)
    sums = tuple(f"{sum(start.phases.values()):.2f}" for start in starts)
    return Table(
        title="From the start of the process to the first frame",
        columns=("seconds", *(start.title for start in starts)),
        rows=(
            *((phase, *(f"{start.phases[phase]:.2f}" for start in starts)) for phase in phases),
            ("together", *sums),
        ),
        notes=(
            f"Weights packed as {named(place.dtype)}, in the system's cache; checksums are verified. One process each, "
            "after one that isn't counted.",
            "Warm: every size of batch once, its graph captured. The first frame: 30 s of sound heard, a frame drawn.",
            *(() if place.compiles else (f"Compiled networks: {NO_GPU}.",)),
        ),
    )


def _compilations_table(compilations: Sequence[Compilation]) -> Table:
    return Table(
        title="Compiling, in a process beside the worker",
        columns=("batch", "seconds", "MB of artifacts"),
        rows=tuple(compilation.row() for compilation in compilations),
        notes=("Each size in a process of its own with empty caches, from its start to the artifacts.",),
    )
