"""The files that MuseTalk is drawn with, in the folder of weights. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError, safe_open

from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.weight_files import PACKED_FOLDER, Packed

DWPOSE = "dwpose/dw-ll_ucoco_384.onnx"
FETCHED = ".fetch_models.json"
"""What the command that fetches weights writes down of them."""
COMMAND = "python -m builder.fetch_models"


class _File(BaseModel):
    sha256: str


class _Fetched(BaseModel):
    files: Mapping[str, _File] = Field(default_factory=dict)


def are_installed(weights: Path) -> bool:
    """Whether the folder has any packed weights: what is missing beside them is an error, no reason to do without."""
    return any((weights / PACKED_FOLDER / packed).exists() for packed in Packed)


def models_of(weights: Path) -> dict[str, str]:
    """What the models are, by file: other models have other values.

    Raises WeightsMissing, and WeightsDamaged where a packed file can't be read or the landmark model differs from
    what was fetched.
    """
    packed = {str(name): _packed(weights / PACKED_FOLDER / name) for name in Packed}
    return {**packed, DWPOSE: _landmark_model(weights / DWPOSE, _fetched(weights / FETCHED))}


def revision_of(**parts: object) -> str:
    """16 hexadecimal digits that differ where any of ``parts``, which are JSON values, does."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _packed(path: Path) -> str:
    """The checksums that the file holds of its tensors, and what it says that it was made of, as one."""
    if not path.is_file():
        raise WeightsMissing(f"{path.name} is missing. {_mend(path)}")
    try:
        with safe_open(path, framework="numpy") as file:
            return revision_of(**file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsDamaged(f"{path.name} can't be read. {_mend(path)}") from error


def _landmark_model(path: Path, fetched: _Fetched) -> str:
    if not path.is_file():
        raise WeightsMissing(f"{path.name} is missing. {_mend(path)}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = fetched.files.get(DWPOSE)
    if known is not None and known.sha256 != found:
        raise WeightsDamaged(f"{path.name} is not the file that was fetched. {_mend(path)}")
    return found


def _fetched(path: Path) -> _Fetched:
    try:
        return _Fetched.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return _Fetched()


def _mend(path: Path) -> str:
    return f"Run `{COMMAND} --verify --dir` with the folder of the weights to mend {path.name}."
