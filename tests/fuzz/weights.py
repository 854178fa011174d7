"""Packed weights, damaged, loaded as a starting worker loads them: refused, or the very numbers that were packed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz.door import Door
from tests.fuzz.leftovers import nothing_left
from tests.fuzz.media_mutation import flip_bits, overwrite, remove, repeat, splice, truncate

if TYPE_CHECKING:
    import torch
    from torch import nn

SHAPES = {"down.weight": (8, 4, 3, 3), "down.bias": (8,), "up.weight": (4, 8), "up.bias": (4,)}
MUTATIONS = (flip_bits, overwrite, truncate, remove, repeat, splice)
HEADING = {b'"F16"': b'"I16"', b"[8,4,3,3]": b"[4,8,3,3]", b"up.bias": b"up.bIas", b'"format":"1"': b'"format":"2"'}
"""What may stand otherwise in the file's heading, at the same length."""


@dataclass(frozen=True)
class WeightsDoor:
    """``good``: the file as it was packed, at ``path``; ``state``: what is in it."""

    good: bytes
    path: Path
    state: dict[str, torch.Tensor]

    def make(self, random: Random) -> bytes:
        if random.random() < 0.2:
            old = random.choice(sorted(HEADING))
            return self.good.replace(old, HEADING[old], 1)
        data = self.good
        for _ in range(random.choice((1, 1, 2))):
            data = random.choice(MUTATIONS)(data, self.good, random)
        return data

    def run(self, case: bytes) -> str | None:
        import torch

        from engine.nets.packed import load_packed

        self.path.write_bytes(case)
        network = _network()
        with nothing_left():
            load_packed(network, self.path, torch.device("cpu"), torch.float16)
        found = dict(network.state_dict())
        assert found.keys() == self.state.keys()
        assert all(torch.equal(found[key], value) for key, value in self.state.items()), "other numbers are loaded"
        return None


def _network() -> nn.Module:
    """On the device that holds no numbers, as the worker builds its networks."""
    import torch
    from torch import nn

    with torch.device("meta"):
        return nn.ModuleDict({"down": nn.Conv2d(4, 8, 3), "up": nn.Linear(8, 4)}).half()


@contextmanager
def _open(folder: Path) -> Iterator[WeightsDoor]:
    import torch

    from engine.nets.packed import write_packed
    from engine.nets.weight_files import Packed, stamp_for

    chance = torch.Generator().manual_seed(1)
    state = {key: torch.randn(shape, generator=chance).half() for key, shape in SHAPES.items()}
    path = folder / "unet.safetensors"
    write_packed(path, state, stamp_for(Packed.UNET, "5" * 64, "float16"))
    yield WeightsDoor(path.read_bytes(), path, state)


DOOR = Door("weights", cases=2000, slice=40, limit=30, open=_open)
