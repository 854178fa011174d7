"""The four networks of MuseTalk V1.5: packed once from the official files, loaded at every start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from engine.nets.bisenet import BiSeNet, BiSeNetConfig
from engine.nets.checkpoint import State, fill, part, read_checkpoint
from engine.nets.packed import load_packed, write_packed
from engine.nets.time_embedding import fold_time_embedding
from engine.nets.unet import UNet, UNetConfig
from engine.nets.vae import VaeConfig, VaeDecoder, VaeEncoder, modern_names
from engine.nets.whisper import WhisperConfig, WhisperEncoder, encoder_state

NetworkT = TypeVar("NetworkT", bound=nn.Module)

UNET, VAE, WHISPER, BISENET = "unet.safetensors", "vae.safetensors", "whisper.safetensors", "bisenet.safetensors"


@dataclass(frozen=True)
class NetworkConfigs:
    """The dimensions of all four; the defaults are the official ones."""

    unet: UNetConfig = field(default_factory=lambda: UNetConfig(time_folded=True))
    vae: VaeConfig = field(default_factory=VaeConfig)
    whisper: WhisperConfig = field(default_factory=WhisperConfig)
    bisenet: BiSeNetConfig = field(default_factory=BiSeNetConfig)


@dataclass(frozen=True)
class Networks:
    """The networks on one device. BiSeNet is float32 always: it decides between classes, and is small."""

    unet: UNet
    vae_encoder: VaeEncoder
    vae_decoder: VaeDecoder
    whisper: WhisperEncoder
    bisenet: BiSeNet
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(cls, folder: Path, configs: NetworkConfigs, device: torch.device, dtype: torch.dtype) -> Networks:
        """Load the packed files of ``folder``. Raises WeightsMissing and WeightsDamaged."""

        def loaded(build: Callable[[], NetworkT], name: str, kind: torch.dtype = dtype) -> NetworkT:
            network = on_meta(build)
            load_packed(network, folder / name, device, kind)
            return network

        return cls(
            unet=loaded(lambda: UNet(configs.unet), UNET),
            vae_encoder=loaded(lambda: VaeEncoder(configs.vae), f"encoder-{VAE}"),
            vae_decoder=loaded(lambda: VaeDecoder(configs.vae), f"decoder-{VAE}"),
            whisper=loaded(lambda: WhisperEncoder(configs.whisper), WHISPER),
            bisenet=loaded(lambda: BiSeNet(configs.bisenet), BISENET, torch.float32),
            device=device,
            dtype=dtype,
        )


@dataclass(frozen=True)
class OfficialFiles:
    """Where the official files lie. ``vae`` may be the .safetensors or the .bin file."""

    unet: Path
    vae: Path
    whisper: Path
    bisenet: Path

    @classmethod
    def beneath(cls, folder: Path) -> OfficialFiles:
        """As ``builder.fetch_models`` lays them."""
        return cls(
            folder / "musetalkV15/unet.pth",
            folder / "sd-vae/diffusion_pytorch_model.safetensors",
            folder / "whisper/model.safetensors",
            folder / "face-parse-bisent/79999_iter.pth",
        )


def pack(files: OfficialFiles, folder: Path, configs: NetworkConfigs, dtype: torch.dtype = torch.float16) -> None:
    """Turn the official files into the packed ones: checked against the networks, the time embedding folded in.

    Raises WeightsMissing and WeightsDamaged, naming the file and the key at fault.
    """
    unet = fold_time_embedding(_checked_unet(files.unet, configs.unet))
    write_packed(folder / UNET, unet, dtype)
    vae = modern_names(read_checkpoint(files.vae))
    encoder, decoder = part(vae, "encoder.", "quant_conv."), part(vae, "decoder.", "post_quant_conv.")
    _check(lambda: VaeEncoder(configs.vae), encoder, files.vae)
    _check(lambda: VaeDecoder(configs.vae), decoder, files.vae)
    write_packed(folder / f"encoder-{VAE}", encoder, dtype)
    write_packed(folder / f"decoder-{VAE}", decoder, dtype)
    whisper = encoder_state(read_checkpoint(files.whisper))
    _check(lambda: WhisperEncoder(configs.whisper), whisper, files.whisper)
    write_packed(folder / WHISPER, whisper, dtype)
    bisenet = read_checkpoint(files.bisenet)
    _check(lambda: BiSeNet(configs.bisenet), bisenet, files.bisenet)
    write_packed(folder / BISENET, bisenet, torch.float32)


def on_meta(build: Callable[[], NetworkT]) -> NetworkT:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return build().eval().requires_grad_(False)


def _checked_unet(path: Path, config: UNetConfig) -> State:
    state = read_checkpoint(path)
    _check(lambda: UNet(replace(config, time_folded=False)), state, path)
    return state


def _check(build: Callable[[], nn.Module], state: State, path: Path) -> None:
    fill(on_meta(build), state, path)
