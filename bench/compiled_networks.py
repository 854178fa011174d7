"""Compiled networks in the bench: made once in a run, as an idle worker makes them, and left for its later parts."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.gpu_place import Place
from bench.painting_ways import TOKENS, Painting, Way, painter_of, painting_by
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_track import LATENT_SHAPE
from engine.nets.compiling import CompilePlan, compile_apart, compiled, load_artifacts
from engine.nets.face_batches import EagerRunner
from engine.nets.graphed_runner import GraphedRunner

PREFIX = "compiled-"


def compile_size(place: Place, size: int) -> int:
    """Compile for batches of ``size`` in another process and keep what comes of it: how many bytes.

    Raises CompilationFailed.
    """
    configs = place.configs
    plan = CompilePlan(
        device=place.device.type,
        dtype=str(place.dtype).removeprefix("torch."),
        unet=configs.unet,
        vae=configs.vae,
        sizes=(size,),
        face=LATENT_SHAPE,
        sound=(TOKENS, configs.whisper.width),
    )
    artifacts = compile_apart(plan)
    (place.shared / f"{PREFIX}{size}").write_bytes(artifacts)
    return len(artifacts)


def compiled_sizes(shared: Path) -> tuple[int, ...]:
    """The sizes of batches that are compiled so far, rising."""
    return tuple(sorted(int(path.name.removeprefix(PREFIX)) for path in shared.glob(f"{PREFIX}*")))


def paint_compiled(lipsync: MuseTalkLipSync, shared: Path) -> tuple[int, ...]:
    """Let ``lipsync`` paint with all that is compiled so far, as a worker that finds it in the store: which sizes."""
    sizes = _load(shared)
    with torch.inference_mode():
        for size in reversed(sizes):
            if size in lipsync.batch_sizes:
                lipsync.batches.paint_with(compiled(lipsync.painter), size)
    return sizes


def _load(shared: Path) -> tuple[int, ...]:
    """Fill torch's caches with all that is compiled so far."""
    sizes = compiled_sizes(shared)
    for size in sizes:
        load_artifacts((shared / f"{PREFIX}{size}").read_bytes())
    return sizes


def _compiled(place: Place, dtype: torch.dtype) -> Painting:
    _load(place.shared)
    painter = painter_of(place, dtype)
    runner = GraphedRunner() if place.on_gpu else EagerRunner()
    return painting_by("ours, compiled", dtype, painter, compiled(painter), runner)


def compiled_way(place: Place) -> Way:
    """The worker's painter once it is compiled, with the artifacts that are there, and captured like the others."""
    return Way("ours, compiled", place.dtype, _compiled, needs_gpu=False)
