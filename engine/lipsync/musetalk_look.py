"""What MuseTalk's networks see of an avatar's frame: its face as latents, and its pixels as classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.drawing.model_thread import ModelThread
from engine.lipsync.device_memory import with_room
from engine.lipsync.face_box import Bounds
from engine.lipsync.face_mask import parser_input
from engine.lipsync.musetalk import no_numbers
from engine.lipsync.musetalk_track import SIDE
from engine.nets.networks import Networks
from engine.video.i420 import Bytes

GPU_BATCH = 8
"""Frames that are encoded at once: 16 pictures, masked and whole.

The largest tensors, of 128 channels at 256 x 256 in half precision, have 0.27 GB. Five of them live at a time, and
three more cover what cuDNN takes to work in: 2.2 GB at most.
"""
CPU_BATCH = 1
"""On a CPU more are no faster."""


@dataclass(frozen=True)
class Look:
    """One frame, as the networks take it.

    face: RGB uint8 (256, 256, 3). surroundings: float32 (3, 512, 512), normalised RGB.
    """

    face: Bytes
    surroundings: NDArray[np.float32]

    @classmethod
    def at(cls, picture: Bytes, bounds: Bounds) -> Look:
        """The face at ``bounds`` of a BGR picture, uint8 (H, W, 3); black where it lies beyond the picture."""
        face = cv2.resize(bounds.cut(picture), (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4)
        rgb = np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2RGB), np.uint8)
        return cls(rgb, parser_input(picture, bounds))


@dataclass(frozen=True)
class Seen:
    """What the networks say of B frames: latents (B, 8, 32, 32) and classes uint8 (B, 512, 512)."""

    latents: NDArray[np.float16]
    classes: Bytes


class MuseTalkEyes:
    """The networks of the preparation, which see up to ``batch`` frames at once; by default what suits the device.

    They run in ``thread``, between two batches of what is drawn meanwhile. Where the device's memory runs out
    ``batch`` is halved for good.
    """

    def __init__(self, networks: Networks, thread: ModelThread, batch: int | None = None) -> None:
        self._networks = networks
        self._thread = thread
        self.batch = batch or (GPU_BATCH if networks.device.type == "cuda" else CPU_BATCH)

    def see(self, looks: Sequence[Look]) -> Seen:
        """Raises ConfigurationError where latents are no finite numbers, and DeviceMemoryFull."""
        faces = np.stack([look.face for look in looks])
        surroundings = np.stack([look.surroundings for look in looks])
        seen = with_room(self._thread, lambda: self._seen(faces, surroundings), self._halve)
        if not np.isfinite(seen.latents).all():
            raise no_numbers()
        return seen

    def _halve(self) -> None:
        self.batch = max(1, self.batch // 2)
        if self._networks.device.type == "cuda":
            torch.cuda.empty_cache()

    def _seen(self, faces: Bytes, surroundings: NDArray[np.float32]) -> Seen:
        parts = [slice(start, start + self.batch) for start in range(0, len(faces), self.batch)]
        latents = np.concatenate([self._latents(faces[part]) for part in parts])
        return Seen(latents, np.concatenate([self._classes(surroundings[part]) for part in parts]))

    def _latents(self, faces: Bytes) -> NDArray[np.float16]:
        # Contiguous, since torch's group norm over channels that lie last loses digits on a CPU.
        pictures = torch.from_numpy(faces).to(self._networks.device).permute(0, 3, 1, 2).contiguous()
        whole = (pictures.float() / 127.5 - 1).to(self._networks.dtype)
        masked = whole.clone()
        masked[:, :, SIDE // 2 :] = -1
        latents: torch.Tensor = self._networks.vae_encoder(torch.cat((masked, whole)))
        return _array(torch.cat(latents.chunk(2), dim=1).to(torch.float16))

    def _classes(self, surroundings: NDArray[np.float32]) -> Bytes:
        return _array(self._networks.bisenet.classify(torch.from_numpy(surroundings).to(self._networks.device)))


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy()
