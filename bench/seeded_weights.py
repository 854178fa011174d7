"""Seeded random weights in the layout of the official files, and packed: for figures and tests, not for faces.

    python -m bench.seeded_weights --dir DIR            4 GB, and 2 GB packed
    python -m bench.seeded_weights --dir DIR --quick    tiny networks

They are scaled so that what the networks put out stays finite, in half precision too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from bench.network_sizes import FULL, QUICK
from bench.official_configs import TEXT_POSITIONS, VOCABULARY, official_configs
from bench.random_weights import seeded_tensor
from builder.weights_folder import digest_of
from engine.nets.bisenet import BiSeNet
from engine.nets.checkpoint import State
from engine.nets.networks import NetworkConfigs, on_meta
from engine.nets.packing import pack
from engine.nets.unet import UNet
from engine.nets.vae import MODERN_LAYERS, VaeDecoder, VaeEncoder
from engine.nets.weight_files import PACKED_FOLDER, Official
from engine.nets.whisper import CHECKPOINT_PREFIX, WhisperConfig, WhisperEncoder

DECODER_PREFIX = "model.decoder."


def write_seeded(folder: Path, configs: NetworkConfigs, seed: int) -> None:
    """The four official files and their configurations. Needs as much memory as the largest file has bytes."""
    for name, config in official_configs(configs).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(config, indent=1))
    for official, layout in official_layout(configs).items():
        place = folder / official
        place.parent.mkdir(parents=True, exist_ok=True)
        _save(seeded_state(layout, seed), official, place)


def pack_seeded(folder: Path, configs: NetworkConfigs, dtype: str = "float16") -> None:
    """Pack what ``write_seeded`` wrote, as ``builder.fetch_models`` packs the official files."""
    for official in Official:
        source = folder / official
        pack(official, source, digest_of(source), folder / PACKED_FOLDER, configs, dtype)


def official_layout(configs: NetworkConfigs) -> dict[Official, State]:
    """Every key of the official files, each with a tensor on ``meta`` of its shape and type."""
    unet = on_meta(lambda: UNet(replace(configs.unet, time_folded=False)))
    halves = (on_meta(lambda: VaeEncoder(configs.vae)), on_meta(lambda: VaeDecoder(configs.vae)))
    encoder = on_meta(lambda: WhisperEncoder(configs.whisper)).state_dict()
    hearing = {f"{CHECKPOINT_PREFIX}{key}": value for key, value in encoder.items()}
    return {
        Official.UNET: unet.state_dict(),
        Official.VAE: {_old_name(key): value for half in halves for key, value in half.state_dict().items()},
        Official.WHISPER: {**hearing, **_whisper_decoder(configs.whisper, hearing)},
        Official.BISENET: on_meta(lambda: BiSeNet(configs.bisenet)).state_dict(),
    }


def seeded_state(layout: Mapping[str, torch.Tensor], seed: int) -> State:
    """Random tensors for a layout on ``meta``; each follows from the seed and its key alone."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tensors = pool.map(partial(seeded_tensor, seed, device=torch.device("cpu")), layout, layout.values())
        return dict(zip(layout, tensors, strict=True))


def _whisper_decoder(config: WhisperConfig, encoder: Mapping[str, torch.Tensor]) -> State:
    """The half of Whisper's file that the worker leaves alone: the encoder's layers, and attention to the sound."""
    layers = {
        key.replace(CHECKPOINT_PREFIX, DECODER_PREFIX): value
        for key, value in encoder.items()
        if key.startswith((f"{CHECKPOINT_PREFIX}layers.", f"{CHECKPOINT_PREFIX}layer_norm."))
    }
    heard = {key.replace("self_attn", "encoder_attn"): value for key, value in layers.items() if "self_attn" in key}
    tables = {
        f"{DECODER_PREFIX}embed_tokens.weight": torch.empty(VOCABULARY, config.width, device="meta"),
        f"{DECODER_PREFIX}embed_positions.weight": torch.empty(TEXT_POSITIONS, config.width, device="meta"),
    }
    return {**tables, **layers, **heard}


def _old_name(key: str) -> str:
    """The name in the official file of a tensor of the autoencoder."""
    for old, modern in MODERN_LAYERS.items():
        if f".attentions.0.{modern}." in key:
            return key.replace(f".{modern}.", f".{old}.")
    return key


def _save(state: State, official: Official, place: Path) -> None:
    if place.suffix == ".safetensors":
        save_file(state, place)
    else:
        # The face parser's file is older than torch's zip archives.
        torch.save(state, place, _use_new_zipfile_serialization=official is not Official.BISENET)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.seeded_weights", description="Write random weights.")
    parser.add_argument("--dir", type=Path, required=True, help="folder that the weights are put into")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to see that something works")
    given = parser.parse_args()
    configs = QUICK if given.quick else FULL
    began = time.monotonic()
    write_seeded(given.dir, configs, given.seed)
    print(f"The official files are written after {time.monotonic() - began:.0f} s.", flush=True)
    pack_seeded(given.dir, configs)
    print(f"They are packed after {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
