"""A process that loads the weights of one official file, and prints the seconds that it took, imports apart.

    python -m bench.loading_files original|float16|float32 musetalkV15/unet.pth --dir DIR [--quick]

``original`` reads the official file into memory, whole; the others what it is packed into, as that type, on the CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from bench.network_sizes import FULL, QUICK
from engine.nets.bisenet import BiSeNet
from engine.nets.networks import NetworkConfigs, on_meta
from engine.nets.packed import load_packed
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder, VaeEncoder
from engine.nets.weight_files import MADE_OF, PACKED_FOLDER, Official, Packed
from engine.nets.whisper import WhisperEncoder


def read_original(path: Path) -> object:
    if path.suffix == ".pth":
        return torch.load(path, map_location="cpu", weights_only=True)
    return {key: value.clone() for key, value in load_file(path).items()}


def load_all_packed(official: Official, folder: Path, configs: NetworkConfigs, dtype: torch.dtype) -> list[nn.Module]:
    networks = []
    for packed in (name for name, source in MADE_OF.items() if source is official):
        network = on_meta(_build(packed, configs))
        load_packed(network, folder / packed, torch.device("cpu"), dtype)
        networks.append(network)
    return networks


def _build(packed: Packed, configs: NetworkConfigs) -> Callable[[], nn.Module]:
    builds: dict[Packed, Callable[[], nn.Module]] = {
        Packed.UNET: lambda: UNet(configs.unet),
        Packed.VAE_ENCODER: lambda: VaeEncoder(configs.vae),
        Packed.VAE_DECODER: lambda: VaeDecoder(configs.vae),
        Packed.WHISPER: lambda: WhisperEncoder(configs.whisper),
        Packed.BISENET: lambda: BiSeNet(configs.bisenet),
    }
    return builds[packed]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.loading_files")
    parser.add_argument("way", choices=("original", "float16", "float32"))
    parser.add_argument("official", type=Official)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    began = time.monotonic()
    if given.way == "original":
        kept: object = read_original(given.dir / given.official)
    else:
        configs = QUICK if given.quick else FULL
        kept = load_all_packed(given.official, given.dir / PACKED_FOLDER, configs, getattr(torch, given.way))
    seconds = time.monotonic() - began
    del kept
    print(seconds)


if __name__ == "__main__":
    main()
