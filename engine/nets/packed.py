"""Packed weights: what the worker loads, with a checksum for every tensor that is verified while it is copied.

A file is safetensors; its metadata holds the format's version and the tensors' CRC-32 as JSON.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from engine.errors import WeightsMissing
from engine.nets.checkpoint import State, damaged, fill, mend

FORMAT = "1"


def write_packed(path: Path, state: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
    """Write ``state`` with its floating-point tensors as ``dtype``. The file appears whole or not at all."""
    tensors = {key: _packed(value, dtype) for key, value in state.items()}
    checksums = {key: checksum(value) for key, value in tensors.items()}
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, part, {"format": FORMAT, "checksums": json.dumps(checksums)})
    part.replace(path)


def load_packed(network: nn.Module, path: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Give a network built on ``meta`` the weights of ``path``, on ``device`` and as ``dtype``.

    Raises WeightsMissing, and WeightsDamaged for a tensor that differs from its checksum.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path.name} is missing. {mend(path)}")
    fill(network, _read(path, device, dtype), path)


def checksum(tensor: torch.Tensor) -> int:
    """The CRC-32 of a tensor's bytes in the machine's memory."""
    return zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)


def _packed(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().clone()


def _read(path: Path, device: torch.device, dtype: torch.dtype) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise damaged(path, "it was packed by another version")
            checksums = json.loads(metadata["checksums"])
            state: State = {}
            for key in file.keys():  # noqa: SIM118  # a file, not a dictionary
                tensor = file.get_tensor(key)
                if checksums.get(key) != checksum(tensor):
                    raise damaged(path, f"{key} differs from its checksum")
                state[key] = _placed(tensor, device, dtype)
            return state
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise damaged(path, "it can't be read") from error


def _placed(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
