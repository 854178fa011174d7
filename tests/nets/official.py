"""The keys and shapes of the official weight files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

Shapes = dict[str, tuple[int, ...]]


def official_shapes(name: str) -> Shapes:
    """Those listed in ``official_{name}.json`` beside this file."""
    listed = json.loads(Path(__file__).with_name(f"official_{name}.json").read_text())
    return {key: tuple(int(side) for side in shape.split("x")) for key, shape in listed.items()}


def shapes_of(*modules: nn.Module) -> Shapes:
    """Those of the modules' states together."""
    return {key: tuple(value.shape) for module in modules for key, value in module.state_dict().items()}


def parameters_in(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(torch.Size(shape).numel() for shape in shapes.values())
