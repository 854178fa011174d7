"""Seeded weights of tiny networks, in memory and in the ways that files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file

from bench.network_sizes import QUICK
from bench.seeded_weights import official_layout, seeded_state
from engine.nets.weight_files import Official

COMMAND = "python -m builder.fetch_models --verify"
"""What mends a damaged file, as every error says."""

Write = Callable[[Mapping[str, torch.Tensor], Path], None]


@cache
def _seeded(official: Official) -> dict[str, torch.Tensor]:
    return seeded_state(official_layout(QUICK)[official], seed=1)


def tiny_state(official: Official) -> dict[str, torch.Tensor]:
    """What the tiny official file holds; the tensors are shared, so they are not to be changed in place."""
    return dict(_seeded(official))


def zipped(state: Mapping[str, torch.Tensor], path: Path) -> None:
    torch.save(dict(state), path)


def legacy(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """As torch wrote before its zip archives."""
    torch.save(dict(state), path, _use_new_zipfile_serialization=False)


def safetensors(state: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file(dict(state), path)


WRITERS: dict[str, Write] = {
    "weights.pth": zipped,
    "old.pth": legacy,
    "weights.bin": zipped,
    "old.bin": legacy,
    "weights.safetensors": safetensors,
}
"""Every official format, by a name that a file of it may have."""


def written(state: Mapping[str, torch.Tensor], folder: Path, name: str) -> Path:
    """A file of that name and format."""
    path = folder / name
    WRITERS[name](state, path)
    return path


def write_as(official: Official) -> Write:
    """How the official file itself is written."""
    if official.endswith(".safetensors"):
        return safetensors
    return legacy if official is Official.BISENET else zipped


def write_official(official: Official, state: Mapping[str, torch.Tensor], folder: Path) -> Path:
    path = folder / Path(official).name
    write_as(official)(state, path)
    return path


def damaged_ways(good: bytes) -> dict[str, bytes]:
    """Bytes that are no file of weights any more, by what happened to them."""
    return {
        "nothing": b"",
        "its first byte": good[:1],
        "its first half": good[: len(good) // 2],
        "all but its last byte": good[:-1],
        "all but its first byte": good[1:],
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:7ebf6c98\nsize 3400074924\n",
        "a page": b"<!doctype html><html><body>Not found</body></html>",
        "zeros": bytes(len(good)),
    }
