"""Files of weights as they come, and as they had better not come."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.checkpoint import fill, read_checkpoint
from tests.nets.tiny_weights import COMMAND, WRITERS, damaged_ways, written

FORMATS = pytest.mark.parametrize("name", WRITERS)
STATE = {
    "a.weight": torch.arange(12.0).reshape(3, 4),
    "a.half": torch.arange(5.0).half(),
    "count": torch.tensor(79_999),
}
PATH = Path("unet.pth")


@FORMATS
def test_every_official_format_is_read(tmp_path: Path, name: str) -> None:
    found = read_checkpoint(written(STATE, tmp_path, name))
    assert found.keys() == STATE.keys()
    for key, value in STATE.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


@pytest.mark.parametrize("name", ["weights.pth", "weights.bin", "weights.safetensors"])
def test_what_can_be_mapped_is_not_read_into_memory(tmp_path: Path, name: str) -> None:
    path = written(STATE, tmp_path, name)
    found = read_checkpoint(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    assert found


@FORMATS
def test_a_missing_file_is_named_with_the_command_that_fetches_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsMissing) as caught:
        read_checkpoint(tmp_path / name)
    assert caught.value.message.startswith(f"{name} is missing")
    assert COMMAND in caught.value.message
    assert str(tmp_path) not in caught.value.message


@FORMATS
@pytest.mark.parametrize("way", damaged_ways(b""))
def test_a_file_that_is_none_is_named_with_the_command_that_mends_it(tmp_path: Path, name: str, way: str) -> None:
    path = written(STATE, tmp_path, name)
    path.write_bytes(damaged_ways(path.read_bytes())[way])
    with pytest.raises(WeightsDamaged) as caught:
        read_checkpoint(path)
    assert caught.value.message.startswith(f"{name} is not the file it should be")
    assert COMMAND in caught.value.message
    assert str(tmp_path) not in caught.value.message


def _harmed(good: bytes, chance: random.Random) -> bytes:
    harmed = bytearray(good)
    for _ in range(chance.choice((1, 1, 1, 3))):
        harmed[chance.randrange(len(harmed))] = chance.randrange(256)
    return bytes(harmed)


# torch warns of pickles that look old, before it finds them damaged.
@pytest.mark.filterwarnings("ignore::UserWarning")
@FORMATS
def test_damage_anywhere_leads_to_no_other_error(tmp_path: Path, name: str) -> None:
    path = written(STATE, tmp_path, name)
    good, chance, refused = path.read_bytes(), random.Random(name), 0
    for _ in range(400):
        path.write_bytes(_harmed(good, chance))
        try:
            read_checkpoint(path)
        except WeightsDamaged:
            refused += 1
    assert refused > 40


@pytest.mark.parametrize("name", ["weights.pth", "old.pth", "weights.bin"])
@pytest.mark.parametrize(
    "content",
    [
        [torch.ones(1)],
        torch.ones(1),
        {"state_dict": {"a.weight": torch.ones(1)}},
        {"a.weight": torch.ones(1), "epoch": 3},
        {0: torch.ones(1)},
        None,
    ],
)
def test_anything_but_named_tensors_is_refused(tmp_path: Path, name: str, content: object) -> None:
    path = tmp_path / name
    torch.save(content, path, _use_new_zipfile_serialization=name != "old.pth")
    with pytest.raises(WeightsDamaged, match="something else than named tensors"):
        read_checkpoint(path)


class Touch:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._marker,)


def _zipped(content: object, path: Path) -> None:
    torch.save(content, path)


def _legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _bare(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


def _in_a_zip_of_ones_own(content: object, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")


@pytest.mark.parametrize("write", [_zipped, _legacy, _bare, _in_a_zip_of_ones_own])
@pytest.mark.parametrize("name", ["unet.pth", "unet.bin", "unet.safetensors"])
def test_code_in_a_file_is_not_executed(tmp_path: Path, name: str, write: Callable[[object, Path], None]) -> None:
    marker, path = tmp_path / "executed", tmp_path / name
    write({"a.weight": torch.ones(1), "b": Touch(marker)}, path)
    with pytest.raises(WeightsDamaged, match=f"{name}.*can't be read"):
        read_checkpoint(path)
    assert not marker.exists()


def test_such_code_would_be_executed_by_pickle(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    pickle.load(io.BytesIO(pickle.dumps(Touch(marker))))
    assert marker.exists()


def _network() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval().requires_grad_(False)


def _state() -> dict[str, torch.Tensor]:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict()


def test_a_network_gets_exactly_these_tensors() -> None:
    network, state = _network(), _state()
    fill(network, state, PATH)
    filled = network.state_dict()
    assert {key: value.data_ptr() for key, value in filled.items()} == {
        key: value.data_ptr() for key, value in state.items()
    }
    assert not any(value.requires_grad for value in network.parameters())


def test_the_precision_may_be_another() -> None:
    network = _network()
    fill(network, {key: value.half() if value.is_floating_point() else value for key, value in _state().items()}, PATH)
    assert network.state_dict()["0.weight"].dtype == torch.float16


def refusal(state: dict[str, torch.Tensor]) -> str:
    network = _network()
    with pytest.raises(WeightsDamaged) as caught:
        fill(network, state, PATH)
    assert all(value.is_meta for value in network.state_dict().values())
    assert caught.value.message.startswith("unet.pth is not the file it should be: ")
    assert COMMAND in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("key", _state())
def test_a_missing_key_is_named(key: str) -> None:
    state = _state()
    del state[key]
    assert f"lacks {key}." in refusal(state)


def test_a_surplus_key_is_named() -> None:
    assert "has the unknown 2.weight." in refusal({**_state(), "2.weight": torch.ones(1)})


def test_a_renamed_key_is_named_both_ways() -> None:
    state = _state()
    state["linear.bias"] = state.pop("0.bias")
    assert "lacks 0.bias; has the unknown linear.bias." in refusal(state)


def test_of_many_keys_some_are_named() -> None:
    assert "lacks 0.bias, 0.weight, 1.bias and 4 more." in refusal({})


@pytest.mark.parametrize(
    ("tensor", "found"),
    [
        (torch.ones(3, 2), "[3, 2] of fractions"),
        (torch.ones(2, 3, 1), "[2, 3, 1] of fractions"),
        (torch.ones(2, 3, dtype=torch.int32), "[2, 3] of whole numbers"),
    ],
)
def test_a_tensor_of_another_shape_or_kind_is_named(tensor: torch.Tensor, found: str) -> None:
    assert f"0.weight is {found} instead of [2, 3] of fractions." in refusal({**_state(), "0.weight": tensor})
