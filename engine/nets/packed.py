"""Packed weights: what the worker loads, with a checksum for every tensor that is verified while it is copied.

A file is safetensors; its metadata holds its stamp, and as JSON the tensors' checksums: the CRC-32 of a tensor's
type, shape and bytes, so that a damaged heading shows as well.
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
from engine.nets.weight_files import FORMAT, Stamp

READABLE = 0o644


def write_packed(path: Path, state: Mapping[str, torch.Tensor], stamp: Stamp) -> None:
    """Write ``state`` with its floating-point tensors as the stamp's type. The file appears whole or not at all.

    Raises OSError and SafetensorError where the disk is full or can't be written.
    """
    dtype: torch.dtype = getattr(torch, stamp.dtype)
    tensors = {key: _packed(value, dtype) for key, value in state.items()}
    checksums = {key: checksum(value) for key, value in tensors.items()}
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, part, {**stamp.metadata(), "checksums": json.dumps(checksums)})
        # As it comes, no one else may read it.
        part.chmod(READABLE)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_packed(network: nn.Module, path: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Give a network built on ``meta`` the weights of ``path``, on ``device`` and as ``dtype``.

    Raises WeightsMissing, and WeightsDamaged for a tensor that differs from its checksum.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path.name} is missing. {mend(path)}")
    fill(network, _read(path, device, dtype), path)


def checksum(tensor: torch.Tensor) -> int:
    """The CRC-32 of a tensor's type and shape, and of its bytes in the machine's memory."""
    heading = f"{tensor.dtype} {list(tensor.shape)}".encode()
    return zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy().data, zlib.crc32(heading))


def _packed(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    # A copy, since the format refuses tensors that share their memory.
    kind = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(kind, copy=True, memory_format=torch.contiguous_format)


def _read(path: Path, device: torch.device, dtype: torch.dtype) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise damaged(path, "it was packed by another version, or not at all")
            checksums: dict[str, int] = dict(json.loads(metadata["checksums"]))
            state: State = {}
            for key in file.offset_keys():
                tensor = file.get_tensor(key)
                if checksums.get(key) != checksum(tensor):
                    raise damaged(path, f"{key} differs from its checksum")
                state[key] = _placed(tensor, device, dtype)
            return state
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, "it can't be read") from error


def _placed(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
