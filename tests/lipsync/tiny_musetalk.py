"""MuseTalk with tiny seeded networks, and a landmark finder that is told what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from bench.network_sizes import QUICK
from bench.seeded_weights import pack_seeded, write_seeded
from engine.lipsync.face_box import Points
from engine.lipsync.landmarks import Landmarks, Shown
from engine.nets.networks import Networks
from engine.nets.weight_files import PACKED_FOLDER
from engine.video.i420 import I420

WIDTH, HEIGHT = 192, 160


@cache
def tiny_networks() -> Networks:
    """On the CPU, in float32."""
    with TemporaryDirectory() as folder:
        write_tiny(Path(folder))
        return Networks.load(Path(folder) / PACKED_FOLDER, QUICK, torch.device("cpu"), torch.float32)


def skin_everywhere(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state of a parser that takes every pixel for skin, whatever else it was made of."""
    weight = torch.zeros_like(state["conv_out.conv_out.weight"])
    weight[1] = 1
    return {**state, "conv_out.conv_out.weight": weight}


def write_tiny(folder: Path, seed: int = 1) -> None:
    """The official files and the packed ones."""
    write_seeded(folder, QUICK, seed)
    pack_seeded(folder, QUICK, "float32")


def points(x: float = 96, nose: float = 80, width: float = 64, below: float = 40, tip: float | None = None) -> Points:
    """A face as wide as ``width`` about ``x``, its chin ``below`` the bridge of the nose, whose tip is at ``tip``."""
    places = np.full((68, 2), (x, nose), np.float64)
    places[0], places[16] = (x - width / 2, nose), (x + width / 2, nose)
    places[8] = (x, nose + below)
    places[30, 0] = x if tip is None else tip
    return places


@dataclass
class ToldFinder:
    """Finds in one frame after another what it was told, and in every further one what it was told last."""

    told: Iterable[Points | None]
    batch: int = 1
    looked: int = 0
    _left: list[Points | None] = field(init=False)

    def __post_init__(self) -> None:
        self._left = list(self.told)

    def find(self, shown: Sequence[Shown]) -> list[Landmarks | None]:
        self.looked += len(shown)
        return [self._next() for _ in shown]

    def _next(self) -> Landmarks | None:
        found = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        return None if found is None else Landmarks(found, np.ones(68, np.float32))


def textured(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> I420:
    """A picture of soft colours, no two places alike."""
    chance = np.random.default_rng(seed)
    picture = I420.blank(width, height)
    for plane, (low, high) in ((picture.y, (60, 190)), (picture.u, (112, 144)), (picture.v, (112, 144))):
        coarse = chance.uniform(low, high, (plane.shape[0] // 8 + 1, plane.shape[1] // 8 + 1))
        plane[:] = np.kron(coarse, np.ones((8, 8)))[: plane.shape[0], : plane.shape[1]]
    return picture
