"""On what, how large and how often the parts of the bench on a GPU measure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.machine import NO_GPU
from engine.nets.networks import NetworkConfigs


@dataclass(frozen=True)
class Amounts:
    """How much is measured.

    batches: sizes of the networks' batches; compiled: those that are compiled, in that order, while there is time.
    repetitions: of each timed batch, after so many warm_ups. parity_frames: different frames that are compared.
    frames: of one job; jobs: how many run at once. size: width and height of the video. short_jobs: how many run one
    after another, of short_frames each. prepared: frames of an avatar. traced: batches under the profiler.
    """

    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    compiled: tuple[int, ...] = (16, 8, 1, 4, 2)
    repetitions: int = 7
    warm_ups: int = 2
    parity_frames: int = 32
    frames: int = 250
    jobs: tuple[int, ...] = (1, 2, 5)
    size: tuple[int, int] = (1280, 720)
    short_jobs: int = 200
    short_frames: int = 20
    prepared: int = 64
    traced: int = 8


ON_A_GPU = Amounts()
ON_A_CPU = Amounts(
    batches=(1, 2),
    compiled=(1,),
    repetitions=1,
    warm_ups=0,
    parity_frames=2,
    frames=4,
    jobs=(1,),
    short_jobs=4,
    short_frames=1,
    prepared=2,
    traced=1,
)
"""The networks at full size take 10 to 20 s for a frame on two cores."""
FOR_A_LOOK = Amounts(
    batches=(1, 2),
    compiled=(1,),
    repetitions=1,
    parity_frames=3,
    frames=6,
    jobs=(1, 2),
    size=(320, 240),
    short_jobs=3,
    short_frames=2,
    prepared=3,
    traced=1,
)


@dataclass(frozen=True)
class Place:
    """Where a part measures. until: the monotonic time at which it should be at its end.

    shared: a folder in which a part leaves what a later one needs. compiles: whether networks are compiled here.
    landmarks: dw-ll_ucoco_384.onnx, if there is one.
    """

    device: torch.device
    configs: NetworkConfigs
    amounts: Amounts
    until: float
    shared: Path
    compiles: bool
    landmarks: Path | None = None

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def dtype(self) -> torch.dtype:
        """What the worker's networks are of here."""
        return torch.float16 if self.on_gpu else torch.float32

    @property
    def seconds_left(self) -> float:
        return self.until - time.monotonic()


def amounts_for(device: str, quick: bool) -> Amounts:
    """How much is measured on a device; ``quick``: next to nothing, with tiny networks."""
    if quick:
        return FOR_A_LOOK
    return ON_A_GPU if device == "cuda" else ON_A_CPU


def gigabytes(count: int | None) -> str:
    """A cell of bytes on the device; None where there is no GPU."""
    return NO_GPU if count is None else f"{count / 1e9:.2f}"


def named(dtype: torch.dtype) -> str:
    """As people write it: fp32, fp16, bf16."""
    return {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}[dtype]


def rated(frames_a_second: float) -> str:
    """A cell of a rate, which on a CPU is far below 1."""
    return f"{frames_a_second:.1f}" if frames_a_second >= 10 else f"{frames_a_second:.3f}"
