"""The networks' configurations as they lie beside the official weights, in diffusers' and transformers' words."""

from __future__ import annotations

from typing import Any

from engine.nets.networks import NetworkConfigs
from engine.nets.unet import UNetConfig
from engine.nets.vae import VaeConfig
from engine.nets.whisper import WhisperConfig

VOCABULARY = 51_865
TEXT_POSITIONS = 448

UNET_CONFIG = "musetalkV15/musetalk.json"
VAE_CONFIG = "sd-vae/config.json"
WHISPER_CONFIG = "whisper/config.json"


def official_configs(configs: NetworkConfigs) -> dict[str, dict[str, Any]]:
    """The JSON files by their place in the folder of weights."""
    return {
        UNET_CONFIG: _unet(configs.unet),
        VAE_CONFIG: _vae(configs.vae),
        WHISPER_CONFIG: _whisper(configs.whisper),
    }


def _unet(config: UNetConfig) -> dict[str, Any]:
    listening = len(config.block_channels) - 1
    return {
        "_class_name": "UNet2DConditionModel",
        "act_fn": "silu",
        "attention_head_dim": config.heads,
        "block_out_channels": config.block_channels,
        "cross_attention_dim": config.audio_channels,
        "down_block_types": ["CrossAttnDownBlock2D"] * listening + ["DownBlock2D"],
        "in_channels": config.in_channels,
        "layers_per_block": config.layers_per_block,
        "norm_num_groups": config.groups,
        "out_channels": config.out_channels,
        "sample_size": 64,
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * listening,
    }


def _vae(config: VaeConfig) -> dict[str, Any]:
    levels = len(config.block_channels)
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": config.block_channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "in_channels": config.image_channels,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.layers_per_block,
        "norm_num_groups": config.groups,
        "out_channels": config.image_channels,
        "sample_size": 256,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def _whisper(config: WhisperConfig) -> dict[str, Any]:
    halves = {
        f"{half}_{name}": value
        for half in ("encoder", "decoder")
        for name, value in (
            ("layers", config.layers),
            ("attention_heads", config.heads),
            ("ffn_dim", config.hidden),
        )
    }
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "d_model": config.width,
        "max_source_positions": config.positions,
        "max_target_positions": TEXT_POSITIONS,
        "num_mel_bins": config.mels,
        "vocab_size": VOCABULARY,
        **halves,
    }
