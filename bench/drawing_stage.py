"""The worker's frame loop with random weights: what the worker has once it is warm, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.compiled_networks import paint_compiled
from bench.gpu_place import Place
from bench.random_weights import RandomWeights
from engine.drawing.frame_loop import FrameLoop
from engine.drawing.model_thread import ModelThread
from engine.lipsync.musetalk import MuseTalkLipSync


@dataclass(frozen=True)
class DrawingStage:
    """``loop`` draws with ``lipsync`` on ``thread``. compiled: the sizes of batches whose networks are compiled."""

    loop: FrameLoop
    thread: ModelThread
    lipsync: MuseTalkLipSync
    compiled: tuple[int, ...]


@contextmanager
def drawing_stage(place: Place) -> Iterator[DrawingStage]:
    """A warm frame loop, with what was compiled before. Every frame speaks in it: no mouth comes to rest."""
    networks = RandomWeights.on(place.device, place.configs).networks(place.dtype)
    thread = ModelThread()
    try:
        lipsync = thread.run(lambda: MuseTalkLipSync(networks, thread, rests=False))
        compiled = thread.run(lambda: paint_compiled(lipsync, place.shared))
        thread.run(lipsync.warm)
        yield DrawingStage(FrameLoop(lipsync, thread), thread, lipsync, compiled)
    finally:
        thread.close()
