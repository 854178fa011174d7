"""Turning the official files into those that the worker loads, once: checked, renamed, the time embedding folded in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from engine.nets.bisenet import BiSeNet
from engine.nets.checkpoint import State, fill, part, read_checkpoint
from engine.nets.networks import NetworkConfigs, on_meta
from engine.nets.packed import write_packed
from engine.nets.time_embedding import fold_time_embedding
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder, VaeEncoder, modern_names
from engine.nets.weight_files import Official, Packed, stamp_for
from engine.nets.whisper import WhisperEncoder, encoder_state

ENCODER_KEYS = ("encoder.", "quant_conv.")


def pack(
    official: Official, source: Path, digest: str, folder: Path, configs: NetworkConfigs, dtype: str = "float16"
) -> None:
    """Pack the official file that lies at ``source`` into ``folder``, stamped with ``digest``, its SHA-256 in hex.

    The autoencoder's may be the .safetensors or the .bin file. Raises WeightsMissing and WeightsDamaged, naming the
    file and the key at fault, and OSError or SafetensorError where ``folder`` can't be written.
    """
    for packed, state in PACKERS[official](source, configs).items():
        write_packed(folder / packed, state, stamp_for(packed, digest, dtype))


def _unet(source: Path, configs: NetworkConfigs) -> dict[Packed, State]:
    state = read_checkpoint(source)
    _check(lambda: UNet(replace(configs.unet, time_folded=False)), state, source)
    return {Packed.UNET: fold_time_embedding(state)}


def _vae(source: Path, configs: NetworkConfigs) -> dict[Packed, State]:
    state = modern_names(read_checkpoint(source))
    encoder = part(state, *ENCODER_KEYS)
    # Whatever is not the encoder's has to be the decoder's.
    decoder = {key: value for key, value in state.items() if key not in encoder}
    _check(lambda: VaeEncoder(configs.vae), encoder, source)
    _check(lambda: VaeDecoder(configs.vae), decoder, source)
    return {Packed.VAE_ENCODER: encoder, Packed.VAE_DECODER: decoder}


def _whisper(source: Path, configs: NetworkConfigs) -> dict[Packed, State]:
    state = encoder_state(read_checkpoint(source))
    _check(lambda: WhisperEncoder(configs.whisper), state, source)
    return {Packed.WHISPER: state}


def _bisenet(source: Path, configs: NetworkConfigs) -> dict[Packed, State]:
    state = read_checkpoint(source)
    _check(lambda: BiSeNet(configs.bisenet), state, source)
    return {Packed.BISENET: state}


PACKERS: dict[Official, Callable[[Path, NetworkConfigs], dict[Packed, State]]] = {
    Official.UNET: _unet,
    Official.VAE: _vae,
    Official.WHISPER: _whisper,
    Official.BISENET: _bisenet,
}


def _check(build: Callable[[], nn.Module], state: State, source: Path) -> None:
    fill(on_meta(build), state, source)
