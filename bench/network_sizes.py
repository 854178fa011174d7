"""How large the networks are that are measured: the official ones, and tiny ones to see that something works."""

from __future__ import annotations

from engine.nets.bisenet import BiSeNetConfig
from engine.nets.networks import NetworkConfigs
from engine.nets.unet import UNetConfig
from engine.nets.vae import VaeConfig
from engine.nets.whisper import WhisperConfig

FULL = NetworkConfigs()
QUICK = NetworkConfigs(
    unet=UNetConfig(block_channels=(8, 16, 16, 16), heads=2, audio_channels=24, groups=4, time_folded=True),
    vae=VaeConfig(block_channels=(8, 8, 16, 16), groups=4),
    whisper=WhisperConfig(width=24, heads=2, hidden=48),
    bisenet=BiSeNetConfig(trunk=(8, 12, 16, 20), context=12, fused=24, side=4),
)
