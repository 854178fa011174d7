"""A process that loads the networks, draws once, and tells when each phase ended.

    python -m bench.loading_networks WAY --dir DIR [--device cuda] [--quick]

``ours`` loads the packed files. ``mapped`` builds diffusers' and transformers' networks without initialising them
and maps the official files: the best that can be had from the libraries. ``reference`` loads them as MuseTalk's own
code does. The face parser, which neither library has, is ours in all three, from the official file in the other two.
Prints JSON: the monotonic time at each phase's end, in order, and the deviation of the picture that was drawn.
"""

import time

ENDS = {"python": time.monotonic()}

# Imports come late on purpose: each is a phase.
import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor, device, dtype, nn

    from engine.nets.networks import NetworkConfigs


@dataclass(frozen=True)
class Drawing:
    """The networks as functions, whatever they were loaded with."""

    encode: Callable[["Tensor"], "Tensor"]
    hear: Callable[["Tensor"], object]
    draw: Callable[["Tensor", "Tensor"], "Tensor"]
    decode: Callable[["Tensor"], "Tensor"]
    parse: Callable[["Tensor"], object]


@dataclass(frozen=True)
class Place:
    """Where the weights lie, and where and as what they are wanted."""

    weights: Path
    configs: "NetworkConfigs"
    device: "device"
    dtype: "dtype"


def ours(place: Place) -> Drawing:
    from engine.nets.networks import Networks
    from engine.nets.weight_files import PACKED_FOLDER

    _ended("import")
    nets = Networks.load(place.weights / PACKED_FOLDER, place.configs, place.device, place.dtype)
    return Drawing(nets.vae_encoder, nets.whisper, nets.unet, nets.vae_decoder, nets.bisenet)


def mapped(place: Place) -> Drawing:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from bench.official_configs import UNET_CONFIG, VAE_CONFIG, WHISPER_CONFIG
    from engine.nets.checkpoint import read_checkpoint
    from engine.nets.vae import modern_names
    from engine.nets.weight_files import Official
    from engine.nets.whisper import encoder_state

    _ended("import")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(_config(place, UNET_CONFIG))
        vae = AutoencoderKL.from_config(_config(place, VAE_CONFIG))
        whisper = WhisperEncoder(WhisperConfig(**_config(place, WHISPER_CONFIG)))
    unet.load_state_dict(read_checkpoint(place.weights / Official.UNET), assign=True)
    vae.load_state_dict(modern_names(read_checkpoint(place.weights / Official.VAE)), assign=True)
    whisper.load_state_dict(encoder_state(read_checkpoint(place.weights / Official.WHISPER)), assign=True)
    return _theirs(place, unet, vae, whisper)


def reference(place: Place) -> Drawing:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import WhisperModel

    from bench.official_configs import UNET_CONFIG
    from engine.nets.weight_files import Official

    _ended("import")
    vae = AutoencoderKL.from_pretrained(place.weights / "sd-vae")
    unet = UNet2DConditionModel(**_config(place, UNET_CONFIG))
    unet.load_state_dict(torch.load(place.weights / Official.UNET, map_location="cpu", weights_only=True))
    whisper = WhisperModel.from_pretrained(place.weights / "whisper").encoder
    return _theirs(place, unet, vae, whisper)


def _theirs(place: Place, unet: Any, vae: Any, whisper: Any) -> Drawing:
    import torch

    from engine.nets.bisenet import BiSeNet
    from engine.nets.checkpoint import fill, read_checkpoint
    from engine.nets.networks import on_meta
    from engine.nets.weight_files import Official

    path = place.weights / Official.BISENET
    parser = on_meta(lambda: BiSeNet(place.configs.bisenet))
    fill(parser, read_checkpoint(path), path)
    for network in (unet, vae, whisper):
        _ready(network, place)
    start, scale = torch.tensor([0], device=place.device), vae.config.scaling_factor
    return Drawing(
        encode=lambda images: vae.encode(images).latent_dist.mode() * scale,
        hear=lambda mel: whisper(mel, output_hidden_states=True).hidden_states,
        draw=lambda latents, audio: unet(latents, start, encoder_hidden_states=audio).sample,
        decode=lambda latents: vae.decode(latents / scale).sample,
        parse=parser.to(place.device),
    )


def _ready(network: "nn.Module", place: Place) -> None:
    network.to(place.device, place.dtype).eval().requires_grad_(False)


def _config(place: Place, name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((place.weights / name).read_text())
    return {key: value for key, value in config.items() if not key.startswith("_")}


WAYS = {"ours": ours, "mapped": mapped, "reference": reference}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.loading_networks")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    place = _place(given)
    networks = WAYS[given.way](place)
    _settled(place)
    _ended("load")
    deviation = _draw_once(networks, place)
    _ended("draw once")
    sys.stdout.write(json.dumps({"ends": ENDS, "deviation": deviation}) + "\n")


def _place(given: argparse.Namespace) -> Place:
    import torch

    from bench.network_sizes import FULL, QUICK

    kind = torch.float16 if given.device == "cuda" else torch.float32
    return Place(given.dir, QUICK if given.quick else FULL, torch.device(given.device), kind)


def _draw_once(networks: Drawing, place: Place) -> float:
    """Every network once: a 256-pixel face, half a minute's spectrogram, one frame; the frame's deviation."""
    import torch

    generator, configs = torch.Generator().manual_seed(0), place.configs

    def noise(*shape: int) -> "Tensor":
        return torch.randn(shape, generator=generator).to(place.device, place.dtype)

    with torch.inference_mode():
        networks.hear(noise(1, configs.whisper.mels, 2 * configs.whisper.positions))
        face = networks.encode(noise(1, 3, 256, 256).clamp(-1, 1))
        latents = networks.draw(torch.cat([face, face], dim=1), noise(1, 50, configs.unet.audio_channels))
        picture = networks.decode(latents)
        networks.parse(noise(1, 3, 512, 512).float())
        return float(picture.float().std())


def _settled(place: Place) -> None:
    """Wait for what the device still has to do."""
    import torch

    if place.device.type == "cuda":
        torch.cuda.synchronize()


def _ended(phase: str) -> None:
    ENDS[phase] = time.monotonic()


if __name__ == "__main__":
    main()
