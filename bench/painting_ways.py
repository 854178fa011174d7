"""The ways in which the same weights draw a face, each made anew on a device that holds no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.gpu_place import Place, named
from bench.plain_networks import plain_networks
from bench.random_weights import RandomWeights
from engine.drawing.model_thread import ModelThread
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_track import LATENT_SHAPE
from engine.lipsync.windows import position_encoding
from engine.nets.face_batches import EagerRunner, Inputs, Paint, Run, Runner
from engine.nets.face_painter import FacePainter, Painted
from engine.nets.graphed_runner import GraphedRunner

TOKENS = 50
PLAIN = "plain way"


@dataclass(frozen=True)
class Ready:
    """One size of batch: ``run`` paints what lies in latents [B, 8, 32, 32] and tokens [B, 50, C]."""

    latents: Tensor
    tokens: Tensor
    run: Run


@dataclass(frozen=True)
class Painting:
    """A way, ready to draw. unet: the first of its two networks alone; made_of: whose networks they are."""

    name: str
    dtype: torch.dtype
    paint: Paint
    unet: Callable[[Tensor, Tensor], Tensor]
    runner: Runner
    made_of: str

    def ready(self, place: Place, size: int) -> Ready:
        """Inputs of noise for so many faces, and what paints them."""
        width = place.configs.whisper.width
        like = torch.empty(0, device=place.device, dtype=self.dtype)
        latents, tokens = Inputs.blank(size, LATENT_SHAPE, (TOKENS, width), like).first(size)
        latents.normal_()
        tokens.normal_()
        return Ready(latents, tokens, self.runner.ready(self.paint, latents, tokens))


@dataclass(frozen=True)
class Way:
    """``make`` builds it; ``needs_gpu``: it can't be had on a CPU."""

    name: str
    dtype: torch.dtype
    make: Callable[[Place, torch.dtype], Painting]
    needs_gpu: bool

    @property
    def title(self) -> str:
        return f"{self.name}, {named(self.dtype)}"


def plain(place: Place, dtype: torch.dtype) -> Painting:
    """diffusers, eagerly, and what the reference does to a picture; half a level is rounded to even there."""
    networks = plain_networks(RandomWeights.on(place.device, place.configs), dtype)
    positions = _positions(place, dtype)

    def unet(latents: Tensor, tokens: Tensor) -> Tensor:
        return networks.draw(latents, tokens + positions)

    def paint(latents: Tensor, tokens: Tensor) -> Painted:
        pictures = networks.decode(unet(latents, tokens))
        levels = ((pictures / 2 + 0.5).clamp(0, 1).float() * 255).round().to(torch.uint8)
        return Painted(levels.permute(0, 2, 3, 1).flip(-1), pictures.isfinite().flatten(1).all(1))

    return Painting(PLAIN, dtype, paint, unet, EagerRunner(), networks.name)


def ours(place: Place, dtype: torch.dtype) -> Painting:
    """The worker's painter, as it is called on a CPU."""
    painter = painter_of(place, dtype)
    return painting_by("ours, eager", dtype, painter, painter, EagerRunner())


def graphed(place: Place, dtype: torch.dtype) -> Painting:
    """The same, captured in a CUDA graph for each size of batch."""
    painter = painter_of(place, dtype)
    return painting_by("ours, graphed", dtype, painter, painter, GraphedRunner())


def painting_by(name: str, dtype: torch.dtype, painter: FacePainter, paint: Paint, runner: Runner) -> Painting:
    """With ``paint``, which does what ``painter`` does."""

    def unet(latents: Tensor, tokens: Tensor) -> Tensor:
        drawn: Tensor = painter.unet(latents, tokens + painter.positions)
        return drawn

    return Painting(name, dtype, paint, unet, runner, "our modules")


def painter_of(place: Place, dtype: torch.dtype) -> FacePainter:
    """The painter that the worker has, with its layout of memory."""
    networks = RandomWeights.on(place.device, place.configs).networks(dtype)
    return MuseTalkLipSync(networks, ModelThread()).painter


def _positions(place: Place, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(position_encoding(TOKENS, place.configs.whisper.width)).to(place.device, dtype)


PLAIN_WAY = Way(PLAIN, torch.float32, plain, needs_gpu=False)
GRAPHED = Way("ours, graphed", torch.float16, graphed, needs_gpu=True)
WAYS = (
    PLAIN_WAY,
    Way(PLAIN, torch.float16, plain, needs_gpu=True),
    Way("ours, eager", torch.float32, ours, needs_gpu=False),
    Way("ours, eager", torch.float16, ours, needs_gpu=True),
    GRAPHED,
    Way("ours, graphed", torch.bfloat16, graphed, needs_gpu=True),
)


def ways_of(place: Place) -> tuple[Way, ...]:
    """Those that can be had here without compiling, the plain one first."""
    return tuple(way for way in WAYS if place.on_gpu or not way.needs_gpu)
