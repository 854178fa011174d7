"""Packed files: what is written comes back, and any damage shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.packed import load_packed, write_packed
from engine.nets.weight_files import Packed, Stamp, stamp_for
from tests.nets.tiny_weights import COMMAND, damaged_ways, safetensors

CPU = torch.device("cpu")
DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def stamp(dtype: str = "float16") -> Stamp:
    return stamp_for(Packed.UNET, "5" * 64, dtype)


def network(features: int = 3) -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(features, 2), nn.BatchNorm1d(2)).eval().requires_grad_(False)


def state() -> dict[str, torch.Tensor]:
    """Of that network: fractions that half precision has to round, and a whole number."""
    generator = torch.Generator().manual_seed(2)
    return {
        key: torch.tensor(79_999) if key.endswith("tracked") else torch.randn(value.shape, generator=generator)
        for key, value in network().state_dict().items()
    }


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "packed" / "unet.safetensors"
    write_packed(path, state(), stamp())
    return path


def loaded(path: Path, dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    empty = network()
    load_packed(empty, path, CPU, dtype)
    return dict(empty.state_dict())


def refusal(path: Path) -> str:
    with pytest.raises(WeightsDamaged) as caught:
        loaded(path)
    assert caught.value.message.startswith("unet.safetensors is not the file it should be: ")
    assert COMMAND in caught.value.message
    assert str(path.parent) not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("written", DTYPES)
@pytest.mark.parametrize("wanted", DTYPES)
def test_what_is_written_comes_back(tmp_path: Path, written: torch.dtype, wanted: torch.dtype) -> None:
    path = tmp_path / "unet.safetensors"
    write_packed(path, state(), stamp(str(written).removeprefix("torch.")))
    found = loaded(path, wanted)
    for key, value in state().items():
        expected = value.to(written).to(wanted) if value.is_floating_point() else value
        assert found[key].dtype == expected.dtype
        assert torch.equal(found[key], expected)


def test_a_file_has_two_bytes_a_number(tmp_path: Path) -> None:
    path = tmp_path / "unet.safetensors"
    write_packed(path, {"a": torch.ones(100_000)}, stamp())
    assert 200_000 < path.stat().st_size < 200_500


def test_a_file_may_be_read_by_whoever_runs_the_worker(packed: Path) -> None:
    assert packed.stat().st_mode & 0o777 == 0o644


def test_tensors_that_share_memory_or_lie_across_it_are_written(tmp_path: Path) -> None:
    path, whole = tmp_path / "unet.safetensors", torch.arange(24.0).reshape(2, 3, 4)
    shapes = {"a": whole, "b": whole, "c": whole.transpose(0, 2), "d": whole[:, 1]}
    write_packed(path, shapes, stamp("float32"))
    with torch.device("meta"):
        held = nn.ParameterDict({key: nn.Parameter(torch.empty_like(value)) for key, value in shapes.items()})
    load_packed(held, path, CPU, torch.float32)
    assert all(torch.equal(held[key], value) for key, value in shapes.items())


def test_loaded_weights_outlive_their_file(packed: Path) -> None:
    found = loaded(packed)
    assert str(packed) not in Path("/proc/self/maps").read_text()
    with packed.open("r+b") as file:
        file.write(bytes(packed.stat().st_size))
    assert torch.equal(found["0.weight"], state()["0.weight"].half())


@pytest.mark.parametrize("mask", [0x01, 0x0F, 0xFF])
def test_no_flipped_byte_changes_what_is_loaded(packed: Path, mask: int) -> None:
    """Wherever it is, in the heading too: it is noticed, or makes no difference."""
    good, right = packed.read_bytes(), loaded(packed)
    refused = 0
    for at in range(len(good)):
        packed.write_bytes(good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :])
        try:
            found = loaded(packed)
        except WeightsDamaged:
            refused += 1
        else:
            assert {key: value.dtype for key, value in found.items()} == {
                key: value.dtype for key, value in right.items()
            }
            assert all(torch.equal(found[key], value) for key, value in right.items())
    # What makes no difference is the stamp's source and type, and spaces.
    assert refused > len(good) - 150


def test_a_flipped_byte_of_a_tensor_is_told_as_what_it_is(packed: Path) -> None:
    harmed = bytearray(packed.read_bytes())
    harmed[-1] ^= 0x01
    packed.write_bytes(harmed)
    assert re.search(r": [01]\.\w+ differs from its checksum\.", refusal(packed))


def test_a_type_that_changed_in_the_heading_is_noticed(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes().replace(b'"F16"', b'"I16"', 1))
    assert "differs from its checksum" in refusal(packed)


def test_a_shape_that_changed_in_the_heading_is_noticed(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes().replace(b'"shape":[2,3]', b'"shape":[3,2]', 1))
    assert "0.weight differs from its checksum" in refusal(packed)


def test_no_truncated_file_is_loaded(packed: Path) -> None:
    good = packed.read_bytes()
    for length in range(0, len(good), 7):
        packed.write_bytes(good[:length])
        refusal(packed)


@pytest.mark.parametrize("way", damaged_ways(b""))
def test_a_file_that_is_none_is_refused(packed: Path, way: str) -> None:
    packed.write_bytes(damaged_ways(packed.read_bytes())[way])
    assert "it can't be read." in refusal(packed)


def test_a_missing_file_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"^unet\.safetensors is missing") as caught:
        loaded(tmp_path / "unet.safetensors")
    assert COMMAND in caught.value.message


def test_an_official_file_in_its_place_is_refused(packed: Path) -> None:
    safetensors(state(), packed)
    assert "packed by another version, or not at all" in refusal(packed)


@pytest.mark.parametrize("checksums", ["[]", "3", "null", '{"0.weight": "x"}', "[[1, 2, 3]]", "{", ""])
def test_checksums_that_are_none_are_refused(packed: Path, checksums: str) -> None:
    save_file(state(), packed, {**stamp().metadata(), "checksums": checksums})
    refusal(packed)


def test_another_networks_file_is_refused_by_its_keys(packed: Path) -> None:
    write_packed(packed, {"conv_in.weight": torch.ones(1)}, stamp())
    message = refusal(packed)
    assert "lacks 0.bias, 0.weight, 1.bias and 4 more" in message
    assert "has the unknown conv_in.weight" in message


def test_a_network_of_another_size_is_refused_by_its_shape(packed: Path) -> None:
    write_packed(packed, {**state(), "0.weight": torch.ones(2, 5)}, stamp())
    assert "0.weight is [2, 5] of fractions instead of [2, 3] of fractions" in refusal(packed)


def test_a_file_appears_whole_or_not_at_all(packed: Path) -> None:
    taken = packed.with_name("taken")
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_packed(taken, state(), stamp())
    assert sorted(path.name for path in packed.parent.iterdir()) == ["taken", "unet.safetensors"]


def test_a_file_is_replaced_and_not_written_over(packed: Path) -> None:
    before = packed.stat().st_ino
    write_packed(packed, {key: value * 2 for key, value in state().items()}, stamp("float32"))
    assert packed.stat().st_ino != before
    assert torch.equal(loaded(packed, torch.float32)["0.weight"], state()["0.weight"] * 2)
