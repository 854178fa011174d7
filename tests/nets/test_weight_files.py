"""What a packed file says of itself, read without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from builder.weights_manifest import Manifest
from engine.nets.packed import write_packed
from engine.nets.weight_files import MADE_OF, Official, Packed, Stamp, is_stamped, stamp_for
from tests.nets.tiny_weights import damaged_ways, safetensors

STAMP = stamp_for(Packed.UNET, "5" * 64, "float16")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "unet.safetensors"
    write_packed(path, {"a": torch.ones(3)}, STAMP)
    return path


def test_a_file_bears_the_stamp_that_it_was_written_with(packed: Path) -> None:
    assert is_stamped(packed, STAMP)


@pytest.mark.parametrize(
    "other", [replace(STAMP, source="6" * 64), replace(STAMP, dtype="bfloat16"), replace(STAMP, format="0")]
)
def test_a_stamp_differs_by_source_type_and_format(packed: Path, other: Stamp) -> None:
    assert not is_stamped(packed, other)


def test_files_without_a_stamp_bear_none(tmp_path: Path, packed: Path) -> None:
    assert not is_stamped(tmp_path / "gone.safetensors", STAMP)
    assert not is_stamped(tmp_path, STAMP)
    safetensors({"a": torch.ones(3)}, packed)
    assert not is_stamped(packed, STAMP)


@pytest.mark.parametrize("way", damaged_ways(b""))
def test_a_file_that_is_none_bears_no_stamp(packed: Path, way: str) -> None:
    packed.write_bytes(damaged_ways(packed.read_bytes())[way])
    assert not is_stamped(packed, STAMP)


def test_the_face_parser_is_float32_always() -> None:
    assert {packed: stamp_for(packed, "5" * 64, "bfloat16").dtype for packed in Packed} == {
        **dict.fromkeys(Packed, "bfloat16"),
        Packed.BISENET: "float32",
    }


def test_every_official_file_is_fetched_and_packed() -> None:
    assert set(MADE_OF) == set(Packed)
    assert set(MADE_OF.values()) == set(Official)
    assert {weight.path for weight in Manifest.read().files} >= set(Official)


def test_looking_needs_no_torch(packed: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from engine.nets.weight_files import Packed, is_stamped, stamp_for
print(is_stamped(Path({str(packed)!r}), stamp_for(Packed.UNET, {STAMP.source!r}, "float16")), "torch" in sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["True", "False"]
