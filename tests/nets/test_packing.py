"""From every official file to what the worker loads: strict, whatever the format and the names."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.network_sizes import QUICK
from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.networks import NetworkConfigs
from engine.nets.packing import pack
from engine.nets.time_embedding import fold_time_embedding
from engine.nets.vae import modern_names
from engine.nets.weight_files import MADE_OF, Official, Packed, is_stamped, stamp_for
from tests.nets.tiny_weights import COMMAND, WRITERS, damaged_ways, tiny_state, write_official, written

DIGEST = "5" * 64
EACH = pytest.mark.parametrize("official", list(Official), ids=[official.name.lower() for official in Official])

FIRST_KEY = {
    Official.UNET: "conv_in.weight",
    Official.VAE: "decoder.conv_in.weight",
    Official.WHISPER: "model.encoder.conv1.weight",
    Official.BISENET: "cp.resnet.conv1.weight",
}


def packed_from(
    source: Path, official: Official, folder: Path, dtype: str = "float32"
) -> dict[Packed, dict[str, torch.Tensor]]:
    """The tensors of all that is made of one official file."""
    pack(official, source, DIGEST, folder, QUICK, dtype)
    made = [packed for packed in Packed if MADE_OF[packed] is official]
    assert {path.name for path in folder.iterdir()} == set(made)
    return {packed: load_file(folder / packed) for packed in made}


def assert_same(found: dict[Packed, dict[str, torch.Tensor]], expected: dict[Packed, dict[str, torch.Tensor]]) -> None:
    assert found.keys() == expected.keys()
    for packed, tensors in expected.items():
        assert found[packed].keys() == tensors.keys()
        assert all(torch.equal(found[packed][key], value) for key, value in tensors.items())


def refusal(source: Path, official: Official, configs: NetworkConfigs = QUICK) -> str:
    folder = source.parent / "packed"
    with pytest.raises(WeightsDamaged) as caught:
        pack(official, source, DIGEST, folder, configs)
    assert not folder.exists()
    assert caught.value.message.startswith(f"{source.name} is not the file it should be: ")
    assert COMMAND in caught.value.message
    return caught.value.message


@EACH
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_packs_alike(tmp_path: Path, official: Official, name: str) -> None:
    expected = packed_from(write_official(official, tiny_state(official), tmp_path), official, tmp_path / "one")
    source = written(tiny_state(official), tmp_path, name)
    assert_same(packed_from(source, official, tmp_path / "other"), expected)


@EACH
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_packed_file_is_stamped(tmp_path: Path, official: Official, dtype: str) -> None:
    source = write_official(official, tiny_state(official), tmp_path)
    for packed in packed_from(source, official, tmp_path / "packed", dtype):
        assert is_stamped(tmp_path / "packed" / packed, stamp_for(packed, DIGEST, dtype))


def test_the_unets_time_embedding_is_folded_in(tmp_path: Path) -> None:
    source = write_official(Official.UNET, tiny_state(Official.UNET), tmp_path)
    expected = fold_time_embedding(tiny_state(Official.UNET))
    assert_same(packed_from(source, Official.UNET, tmp_path / "packed"), {Packed.UNET: expected})
    assert len(expected) < len(tiny_state(Official.UNET))


def test_the_autoencoder_is_packed_alike_under_old_and_new_names(tmp_path: Path) -> None:
    old = tiny_state(Official.VAE)
    new = modern_names(old)
    assert len(old.keys() - new.keys()) == 16
    made = [
        packed_from(written(state, tmp_path, name), Official.VAE, tmp_path / str(number))
        for number, (state, name) in enumerate([(old, "weights.safetensors"), (new, "old.bin")])
    ]
    assert_same(made[0], made[1])
    assert made[0].keys() == {Packed.VAE_ENCODER, Packed.VAE_DECODER}


def test_whispers_decoder_is_left_alone(tmp_path: Path) -> None:
    whole = tiny_state(Official.WHISPER)
    encoder = {key: value for key, value in whole.items() if key.startswith("model.encoder.")}
    odd = {**whole, "model.decoder.layer_norm.weight": torch.ones(7), "proj_out.weight": torch.ones(1)}
    assert len(encoder) == 67 < len(whole)
    made = [
        packed_from(written(state, tmp_path, "weights.safetensors"), Official.WHISPER, tmp_path / str(number))
        for number, state in enumerate([whole, encoder, odd])
    ]
    assert_same(made[1], made[0])
    assert_same(made[2], made[0])


@EACH
def test_a_missing_file_is_named(tmp_path: Path, official: Official) -> None:
    name = Path(official).name
    with pytest.raises(WeightsMissing, match=f"{name} is missing.*{COMMAND}"):
        pack(official, tmp_path / name, DIGEST, tmp_path / "packed", QUICK)


@EACH
@pytest.mark.parametrize("way", damaged_ways(b""))
def test_a_file_that_is_none_is_refused(tmp_path: Path, official: Official, way: str) -> None:
    source = write_official(official, tiny_state(official), tmp_path)
    source.write_bytes(damaged_ways(source.read_bytes())[way])
    refusal(source, official)


@EACH
def test_a_missing_key_is_named(tmp_path: Path, official: Official) -> None:
    state = tiny_state(official)
    del state[FIRST_KEY[official]]
    named = FIRST_KEY[official].removeprefix("model.encoder.")
    assert f"lacks {named}." in refusal(write_official(official, state, tmp_path), official)


@EACH
def test_a_misshapen_tensor_is_named(tmp_path: Path, official: Official) -> None:
    state = {**tiny_state(official), FIRST_KEY[official]: torch.ones(2, 5)}
    message = refusal(write_official(official, state, tmp_path), official)
    assert f"{FIRST_KEY[official].removeprefix('model.encoder.')} is [2, 5] of fractions instead of " in message


@pytest.mark.parametrize(
    ("official", "key"),
    [
        (Official.UNET, "class_embedding.weight"),
        (Official.VAE, "encoder.extra.weight"),
        (Official.VAE, "decoder.extra.weight"),
        (Official.VAE, "loss.logvar"),
        (Official.WHISPER, "model.encoder.layers.4.fc1.weight"),
        (Official.BISENET, "conv_out8.conv.weight"),
    ],
)
def test_a_surplus_key_is_named(tmp_path: Path, official: Official, key: str) -> None:
    state = {**tiny_state(official), key: torch.ones(1)}
    message = refusal(write_official(official, state, tmp_path), official)
    assert f"has the unknown {key.removeprefix('model.encoder.')}." in message


def test_an_old_name_beside_its_modern_one_is_refused(tmp_path: Path) -> None:
    old = tiny_state(Official.VAE)
    both = {**old, **{key: value.clone() for key, value in modern_names(old).items()}}
    message = refusal(write_official(Official.VAE, both, tmp_path), Official.VAE)
    assert "has the unknown encoder.mid_block.attentions.0.key.bias" in message


@pytest.mark.parametrize(("official", "other"), list(permutations(Official, 2)))
def test_a_file_of_another_network_is_refused(tmp_path: Path, official: Official, other: Official) -> None:
    source = tmp_path / Path(official).name
    write_official(official, tiny_state(other), tmp_path)
    assert "lacks" in refusal(source, official)


def test_a_network_of_another_size_is_refused(tmp_path: Path) -> None:
    source = write_official(Official.UNET, tiny_state(Official.UNET), tmp_path)
    message = refusal(source, Official.UNET, NetworkConfigs())
    assert "lacks" in message or "instead of" in message


def test_a_disk_that_cannot_be_written_is_no_damage(tmp_path: Path) -> None:
    source = write_official(Official.BISENET, tiny_state(Official.BISENET), tmp_path)
    (tmp_path / "packed").write_bytes(b"")
    with pytest.raises(OSError):
        pack(Official.BISENET, source, DIGEST, tmp_path / "packed", QUICK)
