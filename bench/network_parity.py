"""The same frames the worker's way and in plain single precision, whatever batch they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.device_clock import forget_peak
from bench.gpu_place import Place
from bench.machine import NO_GPU
from bench.painting_ways import TOKENS, Painting, Way, plain
from bench.parity import Bound, Difference
from bench.table import Table, met
from engine.lipsync.musetalk_track import LATENT_SHAPE
from engine.video.i420 import Bytes

BOUNDS = {
    torch.float32: Bound(1.0, 45.0),
    torch.float16: Bound(1.0, 45.0),
    torch.bfloat16: Bound(2.5, 38.0),
}
ROOM_SECONDS = 10.0


@dataclass(frozen=True)
class Frames:
    """What different frames are drawn from: latents [N, 8, 32, 32] and tokens [N, 50, C], of the host, as float16."""

    latents: Tensor
    tokens: Tensor

    @classmethod
    def of(cls, place: Place) -> Frames:
        generator, count = torch.Generator().manual_seed(17), place.amounts.parity_frames
        shapes = ((count, *LATENT_SHAPE), (count, TOKENS, place.configs.whisper.width))
        latents, tokens = (torch.randn(shape, generator=generator).half() for shape in shapes)
        return cls(latents, tokens)


@dataclass(frozen=True)
class Compared:
    """One way and size of batch against plain single precision."""

    way: Way
    size: int
    difference: Difference

    def row(self) -> tuple[str, ...]:
        apart, bound = self.difference, BOUNDS[self.way.dtype]
        means = (f"{apart.mean:.4f}", f"{apart.worst_mean:.4f}")
        return self.way.title, str(self.size), *means, f"{apart.worst_psnr:.1f}", str(bound), met(apart.within(bound))


def parity_tables(place: Place, title: str, ways: Sequence[Way], sizes: Sequence[int]) -> Iterator[Table]:
    """A table after every way, each with all ways so far."""
    frames, compared = Frames.of(place), list[Compared]()
    with torch.inference_mode():
        exact = _exact(place, frames)
        for way in ways:
            if place.seconds_left < ROOM_SECONDS:
                return
            forget_peak(place.device)
            painting = way.make(place, way.dtype)
            compared += [_compared(place, way, painting, size, frames, exact) for size in sizes]
            del painting
            yield _table(place, title, compared, exact)


def _exact(place: Place, frames: Frames) -> Bytes:
    """Plain single precision, one frame at a time, without the shorter TensorFloat-32 that torch takes by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    pictures = _painted(place, plain(place, torch.float32), 1, frames, range(place.amounts.parity_frames))
    torch.backends.cudnn.allow_tf32 = before
    return pictures


def _compared(place: Place, way: Way, painting: Painting, size: int, frames: Frames, exact: Bytes) -> Compared:
    order = np.random.default_rng(size).permutation(len(exact)).tolist()
    return Compared(way, size, Difference.between(_painted(place, painting, size, frames, order), exact[order]))


def _painted(place: Place, painting: Painting, size: int, frames: Frames, order: Sequence[int]) -> Bytes:
    """The frames in that order, so many at once; the last batch is filled up with the first frames."""
    ready, pictures = painting.ready(place, size), []
    filled = [*order, *order[: -len(order) % size]]
    for start in range(0, len(filled), size):
        chosen = filled[start : start + size]
        ready.latents.copy_(frames.latents[chosen])
        ready.tokens.copy_(frames.tokens[chosen])
        pictures.append(ready.run().pictures.cpu().numpy())
    return np.concatenate(pictures)[: len(order)]


def _table(place: Place, title: str, compared: Sequence[Compared], exact: Bytes) -> Table:
    black, white = 100 * float((exact == 0).mean()), 100 * float((exact == 255).mean())
    return Table(
        title=title,
        columns=("", "batch", "mean difference", "of the worst frame", "its PSNR, dB", "goal", ""),
        rows=tuple(each.row() for each in compared),
        notes=(
            f"{len(exact)} different frames, in another order for every size of batch, so that each is in other "
            "company. Levels of 255; the plain way draws them one at a time, without TensorFloat-32.",
            f"Random weights: of the compared values {black:.1f} % are black and {white:.1f} % white.",
            *(() if place.on_gpu else (f"Half precision, graphs and compiled networks: {NO_GPU}.",)),
        ),
    )
