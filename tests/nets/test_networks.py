"""The four networks from packed files: they compute what the official weights say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.network_sizes import QUICK
from bench.seeded_weights import pack_seeded, write_seeded
from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.bisenet import BiSeNet
from engine.nets.checkpoint import fill
from engine.nets.networks import Networks, on_meta
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder, VaeEncoder, modern_names
from engine.nets.weight_files import PACKED_FOLDER, Official, Packed
from engine.nets.whisper import WhisperEncoder, encoder_state
from tests.nets.seeded import share_of_deviation
from tests.nets.tiny_weights import COMMAND, damaged_ways, tiny_state

CPU = torch.device("cpu")
OFFICIAL_UNET = replace(QUICK.unet, time_folded=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny official files and, beneath, what they are packed into."""
    folder = tmp_path_factory.mktemp("weights")
    write_seeded(folder, QUICK, seed=1)
    pack_seeded(folder, QUICK, "float32")
    return folder


@pytest.fixture(scope="module")
def networks(folder: Path) -> Networks:
    return Networks.load(folder / PACKED_FOLDER, QUICK, CPU, torch.float32)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def filled(network: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    fill(network, {key: state[key] for key in network.state_dict()}, Path("official"))
    return network


def test_the_unet_draws_what_the_official_weights_draw(networks: Networks) -> None:
    official = filled(on_meta(lambda: UNet(OFFICIAL_UNET)), tiny_state(Official.UNET))
    latents, audio = noise(2, 8, 16, 16), noise(2, 50, QUICK.unet.audio_channels)
    assert share_of_deviation(networks.unet(latents, audio), official(latents, audio)) <= 1e-4


def test_the_autoencoder_codes_as_the_official_weights_do(networks: Networks) -> None:
    state = modern_names(tiny_state(Official.VAE))
    encoder = filled(on_meta(lambda: VaeEncoder(QUICK.vae)), state)
    decoder = filled(on_meta(lambda: VaeDecoder(QUICK.vae)), state)
    images, latents = noise(1, 3, 32, 32), noise(1, 4, 4, 4)
    assert torch.equal(networks.vae_encoder(images), encoder(images))
    assert torch.equal(networks.vae_decoder(latents), decoder(latents))


def test_whisper_hears_what_the_official_weights_hear(networks: Networks) -> None:
    official = filled(on_meta(lambda: WhisperEncoder(QUICK.whisper)), encoder_state(tiny_state(Official.WHISPER)))
    mel = noise(1, QUICK.whisper.mels, 2 * QUICK.whisper.positions)
    assert torch.equal(networks.whisper(mel), official(mel))


def test_the_face_parser_sees_what_the_official_weights_see(networks: Networks) -> None:
    official = filled(on_meta(lambda: BiSeNet(QUICK.bisenet)), tiny_state(Official.BISENET))
    assert torch.equal(networks.bisenet(noise(1, 3, 32, 32)), official(noise(1, 3, 32, 32)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_all_have_the_wanted_type_but_the_face_parser(folder: Path, dtype: torch.dtype) -> None:
    networks = Networks.load(folder / PACKED_FOLDER, QUICK, CPU, dtype)
    assert networks.dtype == dtype
    for network in (networks.unet, networks.vae_encoder, networks.vae_decoder, networks.whisper):
        assert {value.dtype for value in network.state_dict().values()} == {dtype}
    parser = networks.bisenet.state_dict()
    assert {value.dtype for value in parser.values()} == {torch.float32, torch.int64}
    assert torch.equal(parser["cp.resnet.conv1.weight"], tiny_state(Official.BISENET)["cp.resnet.conv1.weight"])


def test_they_are_for_inference_only(networks: Networks) -> None:
    for network in (networks.unet, networks.vae_encoder, networks.vae_decoder, networks.whisper, networks.bisenet):
        assert not any(module.training for module in network.modules())
        assert not any(weight.requires_grad for weight in network.parameters())
        assert not any(value.is_meta for value in network.state_dict().values())


def linked(folder: Path, place: Path) -> Path:
    """The same packed files in another folder, to be changed one by one."""
    place.mkdir()
    for path in (folder / PACKED_FOLDER).iterdir():
        (place / path.name).symlink_to(path)
    return place


@pytest.mark.parametrize("packed", list(Packed))
def test_each_missing_file_is_named(folder: Path, tmp_path: Path, packed: Packed) -> None:
    place = linked(folder, tmp_path / "packed")
    (place / packed).unlink()
    with pytest.raises(WeightsMissing, match=f"^{packed} is missing.*{COMMAND}"):
        Networks.load(place, QUICK, CPU, torch.float32)


@pytest.mark.parametrize("packed", list(Packed))
@pytest.mark.parametrize("way", [*damaged_ways(b""), "a flipped byte", "another network's"])
def test_each_damaged_file_is_named(folder: Path, tmp_path: Path, packed: Packed, way: str) -> None:
    place = linked(folder, tmp_path / "packed")
    good = (place / packed).read_bytes()
    other = Packed.BISENET if packed is not Packed.BISENET else Packed.WHISPER
    ways = {
        **damaged_ways(good),
        "a flipped byte": good[:-100] + bytes([good[-100] ^ 0x10]) + good[-99:],
        "another network's": (place / other).read_bytes(),
    }
    (place / packed).unlink()
    (place / packed).write_bytes(ways[way])
    with pytest.raises(WeightsDamaged, match=f"^{packed} is not the file it should be.*{COMMAND}"):
        Networks.load(place, QUICK, CPU, torch.float32)


def test_networks_of_another_size_are_refused(folder: Path) -> None:
    other = replace(QUICK, whisper=replace(QUICK.whisper, hidden=50))
    with pytest.raises(WeightsDamaged, match=r"^whisper\.safetensors .* is \[48.* instead of \[50"):
        Networks.load(folder / PACKED_FOLDER, other, CPU, torch.float32)
