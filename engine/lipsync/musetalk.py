"""The MuseTalk renderer's drawing: a frame's latents and its sound through the UNet and the decoder, into the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError
from engine.lipsync.musetalk_listener import MuseTalkListener
from engine.lipsync.musetalk_pasting import drawn_mouth, own_mouth
from engine.lipsync.musetalk_resting import RestingListener
from engine.lipsync.musetalk_track import LATENT_SHAPE, LATENTS, MUSETALK
from engine.lipsync.renderer import Array, DeviceMemoryExhausted, Finish, Listener, Shot
from engine.lipsync.windows import position_encoding
from engine.nets.hearing import Hearing
from engine.nets.networks import Networks
from engine.video.i420 import Bytes

CUDA_BATCHES = (1, 2, 4, 8, 16)
CPU_BATCHES = (1,)
"""On a CPU several faces at once are hardly faster than one after another."""


class MuseTalkLipSync:
    """Draws with ``networks`` in ``thread``. ``rests``: whether the mouth comes to rest in silence.

    Tracks are as ``musetalk_track`` says.
    """

    name = MUSETALK

    def __init__(self, networks: Networks, thread: ModelThread, *, rests: bool = True) -> None:
        self._networks = networks
        self._thread = thread
        self._hearing = Hearing(networks.whisper)
        width = networks.whisper.conv1.out_channels
        self._positions = torch.from_numpy(position_encoding(width=width)).to(networks.device, networks.dtype)
        self._rests = rests
        self.batch_sizes = CUDA_BATCHES if networks.device.type == "cuda" else CPU_BATCHES

    def listen(self, *, live: bool) -> Listener:
        """As the protocol has it."""
        return RestingListener(MuseTalkListener(self._heard), rests=self._rests)

    def begin(self, shots: Sequence[Shot]) -> FacesDrawing:
        """As the protocol has it; the networks see only the shots that speak."""
        speaking = [shot for shot in shots if shot.feature.speaks > 0]
        if not speaking:
            return FacesDrawing(shots, np.empty(0, np.uint8))
        latents = np.stack([shot.track.data[LATENTS][shot.index] for shot in speaking])
        return FacesDrawing(shots, self._faces(latents, np.stack([shot.feature.tokens for shot in speaking])))

    def relieve(self) -> None:
        """As the protocol has it."""
        if self._networks.device.type == "cuda":
            torch.cuda.empty_cache()

    def warm(self) -> None:
        """As the protocol has it. Raises DeviceMemoryExhausted, and ConfigurationError as a drawing does."""
        for size in self.batch_sizes:
            self._faces(np.zeros((size, *LATENT_SHAPE), np.float16), np.zeros((size, *self._positions.shape)))

    def _heard(self, segment: NDArray[np.float32]) -> Array:
        return self._thread.run(partial(self._hearing, segment))

    def _faces(self, latents: Array, tokens: Array) -> Bytes:
        """The networks' faces: BGR uint8 [B, 256, 256, 3]. Raises ConfigurationError where they are no numbers."""
        try:
            with torch.inference_mode():
                heard = self._placed(tokens) + self._positions
                drawn = self._networks.vae_decoder(self._networks.unet(self._placed(latents), heard))
                if not drawn.isfinite().all():
                    raise no_numbers()
                shown = (drawn / 2 + 0.5).clamp(0, 1).float().mul(255).round().to(torch.uint8)
                faces: Bytes = shown.flip(1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryExhausted from error
        return faces

    def _placed(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self._networks.device, self._networks.dtype)


@dataclass(frozen=True)
class FacesDrawing:
    """``faces``, BGR uint8 [B, 256, 256, 3], are those of the shots that speak."""

    shots: Sequence[Shot]
    faces: Bytes

    def wait(self) -> list[Finish]:
        """As the protocol has it."""
        faces = iter(self.faces)
        return [
            partial(drawn_mouth, shot, next(faces)) if shot.feature.speaks > 0 else partial(own_mouth, shot)
            for shot in self.shots
        ]


def no_numbers() -> ConfigurationError:
    """What is wrong where the networks answer with infinities: half precision too small for them, or other weights."""
    return ConfigurationError(
        "The networks' answer is no number. Set MODEL_DTYPE to bf16; if that doesn't help, see whether the weights are "
        "right: `python -m builder.fetch_models --verify --dir` with their folder."
    )
