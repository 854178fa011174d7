"""Batches of faces through the painter, on memory of the device that stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from engine.nets.face_painter import Painted

Array = NDArray[Any]
Paint = Callable[[torch.Tensor, torch.Tensor], Painted]
"""Latents [B, 8, 32, 32] and tokens [B, 50, C] to pictures."""
Run = Callable[[], Painted]
"""Paints what lies in the memory that it was made for. What it gives lasts until the next run of any."""


@dataclass(frozen=True)
class Faces:
    """On the host: BGR uint8 [B, 256, 256, 3], and bool [B]: whether a face was made of numbers alone."""

    pictures: NDArray[np.uint8]
    finite: NDArray[np.bool_]


class ComingFaces(Protocol):
    """Faces on their way to the host."""

    def wait(self) -> Faces:
        """Wait until they are there."""
        ...


class Runner(Protocol):
    """What a device does in its own way. All of it belongs to one thread."""

    def ready(self, paint: Paint, latents: torch.Tensor, tokens: torch.Tensor) -> Run:
        """``paint`` of these two, made so that running it again and again costs little."""
        ...

    def place(self, rows: Array, into: torch.Tensor) -> None:
        """Copy rows of the host to the device, in its type."""
        ...

    def fetch(self, painted: Painted, count: int) -> ComingFaces:
        """Begin to bring the first ``count`` to the host; what is run afterwards doesn't touch them."""
        ...


class EagerRunner:
    """Does one thing after another: for a CPU."""

    def ready(self, paint: Paint, latents: torch.Tensor, tokens: torch.Tensor) -> Run:
        """As the protocol has it."""
        return lambda: paint(latents, tokens)

    def place(self, rows: Array, into: torch.Tensor) -> None:
        """As the protocol has it."""
        into.copy_(torch.from_numpy(rows))

    def fetch(self, painted: Painted, count: int) -> ComingFaces:
        """As the protocol has it."""
        return _Here(Faces(painted.pictures[:count].numpy(), painted.finite[:count].numpy()))


@dataclass(frozen=True)
class _Here:
    faces: Faces

    def wait(self) -> Faces:
        return self.faces


@dataclass(frozen=True)
class Inputs:
    """What the largest batch is painted from, on the device; smaller ones take its first rows."""

    latents: torch.Tensor
    tokens: torch.Tensor

    @classmethod
    def blank(cls, largest: int, face: Sequence[int], sound: Sequence[int], like: torch.Tensor) -> Inputs:
        """Zeros of [largest, *face] and [largest, *sound], of the device and the type that ``like`` has."""
        latents, tokens = like.new_zeros(largest, *face), like.new_zeros(largest, *sound)
        if like.is_cuda:
            latents = latents.contiguous(memory_format=torch.channels_last)
        return cls(latents, tokens)

    def first(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.latents[:size], self.tokens[:size]


class FaceBatches:
    """Paints with ``paint`` up to ``sizes[-1]`` faces at once, filled up to the next of the rising ``sizes``."""

    def __init__(self, sizes: tuple[int, ...], inputs: Inputs, runner: Runner, paint: Paint) -> None:
        self.sizes = sizes
        self._inputs = inputs
        self._runner = runner
        self._paint = paint
        self._runs: dict[int, Run] = {}

    def paint_with(self, paint: Paint, size: int) -> None:
        """From the next batch of ``size`` on, paint with ``paint``, unless it raises anything when it is tried here."""
        run = self._runner.ready(paint, *self._inputs.first(size))
        run()
        self._runs[size] = run

    def start(self, latents: Sequence[torch.Tensor], tokens: Sequence[Array]) -> ComingFaces:
        """Paint each of ``latents`` [8, 32, 32], which lie on the device, to its ``tokens`` [50, C].

        The first batch of a size makes it ready. Raises torch.OutOfMemoryError.
        """
        count = len(latents)
        size = next(size for size in self.sizes if size >= count)
        if size not in self._runs:
            self._runs[size] = self._runner.ready(self._paint, *self._inputs.first(size))
        faces, sounds = self._inputs.first(count)
        torch.stack(list(latents), out=faces)
        self._runner.place(np.stack(tokens), sounds)
        return self._runner.fetch(self._runs[size](), count)
