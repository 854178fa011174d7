"""Generating as MuseTalk's inference script does it (commit 0a89dec), written anew from a description.

One job, one stage after another: the features of all the sound; batches of eight through the networks, each brought
to the host before the next begins; every frame pasted through Pillow and written as a PNG file; a video encoded from
the files, and once more with the sound. The masks are made beforehand, as in the reference's real-time script: its
other script would parse every frame's face anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from bench.plain_networks import PlainNetworks, Samples
from bench.reference_composition import around_of, pasted
from engine.lipsync.windows import FEATURES_AFTER, FEATURES_BEFORE, FEATURES_PER_FRAME, WINDOW, position_encoding
from engine.timebase import HEARD_PER_FRAME, HEARD_RATE
from engine.video.i420 import Box, Bytes

BATCH = 8
SEGMENT = 30 * HEARD_RATE


@dataclass(frozen=True)
class PlainAvatar:
    """An avatar as the script keeps it. Rows belong together and are gone through again and again.

    frames: BGR uint8 (H, W, 3). latents: [1, 8, 32, 32] each, on the networks' device.
    face: where the networks' picture goes; mask: uint8, of the size of ``around``, the square about the face.
    """

    frames: Sequence[Bytes]
    latents: Sequence[Tensor]
    face: Box
    mask: Bytes

    @property
    def around(self) -> Box:
        height, width = self.frames[0].shape[:2]
        return around_of(self.face, (width, height))


def features_of(networks: PlainNetworks, sound: Samples) -> Tensor:
    """The tokens of every frame of a whole sound: [T, 50, 384], all on the device."""
    padded = [_padded(sound[start : start + SEGMENT]) for start in range(0, len(sound), SEGMENT)]
    heard = torch.cat([networks.hear(segment) for segment in padded])[: len(sound) * 50 // HEARD_RATE]
    silence = heard.new_zeros(FEATURES_BEFORE, *heard.shape[1:])
    row = torch.cat([silence, heard, silence.repeat(FEATURES_AFTER, 1, 1)])
    starts = range(0, len(sound) // HEARD_PER_FRAME * FEATURES_PER_FRAME, FEATURES_PER_FRAME)
    return torch.stack([row[start : start + WINDOW].flatten(0, 1) for start in starts])


def faces_of(networks: PlainNetworks, tokens: Tensor, latents: Sequence[Tensor]) -> Iterator[Bytes]:
    """The networks' faces, BGR uint8 (256, 256, 3), batch by batch; the last batch has what is left."""
    places = position_encoding(tokens.shape[1], tokens.shape[2])
    positions = torch.from_numpy(places).to(networks.device, networks.dtype)
    for start in range(0, len(tokens), BATCH):
        heard = tokens[start : start + BATCH]
        chosen = [latents[index % len(latents)] for index in range(start, start + len(heard))]
        yield from drawn(networks, torch.cat(chosen).to(networks.dtype), heard + positions)


def drawn(networks: PlainNetworks, latents: Tensor, heard: Tensor) -> Bytes:
    """One batch: BGR uint8 (B, 256, 256, 3), on the host."""
    pictures = networks.decode(networks.draw(latents, heard))
    shown = (pictures / 2 + 0.5).clamp(0, 1).detach().cpu().permute(0, 2, 3, 1).float().numpy()
    return np.asarray((shown * 255).round().astype(np.uint8)[..., ::-1])


def composed(avatar: PlainAvatar, faces: Sequence[Bytes], folder: Path) -> None:
    """Every frame with its face, as a numbered PNG file in ``folder``."""
    size = (avatar.face.width, avatar.face.height)
    for number, face in enumerate(faces):
        frame = deepcopy(avatar.frames[number % len(avatar.frames)])
        large = np.asarray(cv2.resize(face, size), np.uint8)
        cv2.imwrite(str(folder / f"{number:08d}.png"), pasted(frame, large, avatar.face, avatar.mask, avatar.around))


def _padded(samples: Samples) -> Samples:
    return np.pad(samples, (0, SEGMENT - len(samples)))
