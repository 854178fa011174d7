"""Batches on a GPU: one CUDA graph for each, and copies that nothing waits for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.nets.face_batches import Array, ComingFaces, Faces, Paint, Run
from engine.nets.face_painter import Painted

RUNS_BEFORE_CAPTURE = 3
"""Libraries choose their kernels and take their memory in the first ones."""


class GraphedRunner:
    """Replays what was captured once. All graphs share one pool of memory, since they never run beside each other.

    Capture the largest batch first: the others then find their memory in the pool.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._capturing = torch.cuda.Stream()
        self._fetching = torch.cuda.Stream()

    def ready(self, paint: Paint, latents: torch.Tensor, tokens: torch.Tensor) -> Run:
        """As the protocol has it."""
        graph = torch.cuda.CUDAGraph()
        self._capturing.wait_stream(torch.cuda.current_stream())
        # A capture that fails may leave its stream behind as the current one: this block puts the other back.
        with torch.cuda.stream(self._capturing):
            for _ in range(RUNS_BEFORE_CAPTURE):
                paint(latents, tokens)
            # It waits for the device first. Only this thread is held to what a capture allows: others may free
            # pinned memory meanwhile.
            with torch.cuda.graph(graph, self._pool, self._capturing, capture_error_mode="thread_local"):
                painted = paint(latents, tokens)

        def replay() -> Painted:
            graph.replay()
            return painted

        return replay

    def place(self, rows: Array, into: torch.Tensor) -> None:
        """As the protocol has it. torch keeps pinned memory for later until its copies are done."""
        pinned = torch.empty(into.shape, dtype=into.dtype, pin_memory=True)
        pinned.copy_(torch.from_numpy(rows))
        into.copy_(pinned, non_blocking=True)

    def fetch(self, painted: Painted, count: int) -> ComingFaces:
        """As the protocol has it: copied aside at once, and from there to the host while the next batch runs."""
        aside = Painted(painted.pictures[:count].clone(), painted.finite[:count].clone())
        self._fetching.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._fetching):
            host = Painted(self._fetched(aside.pictures), self._fetched(aside.finite))
            arrived = torch.cuda.Event(blocking=True)
            arrived.record()
        return _Coming(host, arrived)

    def _fetched(self, aside: torch.Tensor) -> torch.Tensor:
        aside.record_stream(self._fetching)
        pinned = torch.empty(aside.shape, dtype=aside.dtype, pin_memory=True)
        return pinned.copy_(aside, non_blocking=True)


@dataclass(frozen=True)
class _Coming:
    host: Painted
    arrived: torch.cuda.Event

    def wait(self) -> Faces:
        """The arrays are the pinned memory itself, which goes back when the last of them is gone."""
        self.arrived.synchronize()
        return Faces(self.host.pictures.numpy(), self.host.finite.numpy())
