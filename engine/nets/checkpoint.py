"""Reading the official weight files, and putting them into networks strictly."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from engine.errors import WeightsDamaged, WeightsMissing

State = dict[str, torch.Tensor]

NAMED_AT_MOST = 3
ZIP_HEAD = b"PK\x03\x04"

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    MemoryError,
)
"""What reading a file raises whose bytes are damaged in one place or another."""


def read_checkpoint(path: Path) -> State:
    """The tensors of a ``.safetensors``, ``.pth`` or ``.bin`` file by key, mapped from it where the format allows.

    Nothing in the file is executed. Raises WeightsMissing, and WeightsDamaged for anything but named tensors.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path.name} is missing. {mend(path)}")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except UNREADABLE as error:
        raise damaged(path, "it can't be read") from error
    if not isinstance(state, dict) or not all(_is_named_tensor(*item) for item in state.items()):
        raise damaged(path, "it holds something else than named tensors")
    return state


def fill(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give a network built on ``meta`` its weights: exactly its keys, each of its shape and kind.

    Raises WeightsDamaged, naming ``path`` and the keys at fault.
    """
    wanted = network.state_dict()
    missing, surplus = wanted.keys() - state.keys(), state.keys() - wanted.keys()
    if missing or surplus:
        raise damaged(path, "; ".join(_told(("lacks", missing), ("has the unknown", surplus))))
    if misfits := [key for key, tensor in wanted.items() if _kind(tensor) != _kind(state[key])]:
        raise damaged(path, f"{misfits[0]} is {_kind(state[misfits[0]])} instead of {_kind(wanted[misfits[0]])}")
    network.load_state_dict(dict(state), assign=True)


def part(state: Mapping[str, torch.Tensor], *prefixes: str) -> State:
    """The tensors whose keys begin with one of ``prefixes``: strictness is for the part that is used."""
    return {key: value for key, value in state.items() if key.startswith(prefixes)}


def damaged(path: Path, why: str) -> WeightsDamaged:
    """The error of a file that isn't what it should be."""
    return WeightsDamaged(f"{path.name} is not the file it should be: {why}. {mend(path)}")


def mend(path: Path) -> str:
    """What to do about a file of weights."""
    return f"Run `python -m builder.fetch_models --verify --dir` with the folder of the weights to mend {path.name}."


def _load_pickled(path: Path) -> object:
    with path.open("rb") as file:
        # Files from before torch 1.6 are no zip archives and can't be mapped.
        mapped = file.read(len(ZIP_HEAD)) == ZIP_HEAD
    return torch.load(path, map_location="cpu", mmap=mapped, weights_only=True)


def _is_named_tensor(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, torch.Tensor)


def _kind(tensor: torch.Tensor) -> str:
    """What has to agree: the shape, and whether numbers are whole. The precision may differ."""
    return f"{list(tensor.shape)} of {'fractions' if tensor.is_floating_point() else 'whole numbers'}"


def _told(*groups: tuple[str, set[str]]) -> list[str]:
    return [f"{what} {_some(keys)}" for what, keys in groups if keys]


def _some(keys: set[str]) -> str:
    shown = ", ".join(sorted(keys)[:NAMED_AT_MOST])
    return shown if len(keys) <= NAMED_AT_MOST else f"{shown} and {len(keys) - NAMED_AT_MOST} more"
