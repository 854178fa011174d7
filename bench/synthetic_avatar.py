"""An avatar without a face behind it: what the frame loop and the plain way draw from, the same for both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bench.plain_way import PlainAvatar
from bench.reference_composition import around_of
from bench.scene import lower_half, swaying_scene
from engine.lipsync.musetalk_track import FACE_BOX, LATENT_SHAPE, LATENTS
from engine.lipsync.renderer import Face, FaceTrack
from engine.timebase import HEARD_PER_FRAME, HEARD_RATE
from engine.video.i420 import I420, Box, Bytes

FRAMES = 25
FACE_SHARE = 5 / 9
"""The face's side in the frame's height."""


@dataclass(frozen=True)
class SyntheticAvatar:
    """``frames`` and ``bgr_frames`` are the same pictures; ``track`` has a row for each; ``face`` is where it is."""

    frames: list[I420]
    bgr_frames: list[Bytes]
    track: FaceTrack
    face: Box

    @classmethod
    def of(cls, size: tuple[int, int], count: int = FRAMES) -> SyntheticAvatar:
        """Frames of that width and height, under grain, with latents as the autoencoder would give them."""
        side = round(size[1] * FACE_SHARE) // 4 * 4
        scene = swaying_scene(*size, side, count)
        return cls(scene.frames, scene.bgr_frames, _track(scene.box, count), scene.box)

    def plain(self, device: torch.device) -> PlainAvatar:
        """The same as the reference keeps it."""
        height, width = self.bgr_frames[0].shape[:2]
        around = around_of(self.face, (width, height))
        mask = np.zeros((around.height, around.width), np.uint8)
        top, left = self.face.top - around.top, self.face.left - around.left
        mask[top : top + self.face.height, left : left + self.face.width] = lower_half(self.face.width)
        latents = [torch.from_numpy(row[None]).to(device) for row in self.track.data[LATENTS]]
        return PlainAvatar(self.bgr_frames, latents, self.face, mask)


def _track(face: Box, count: int) -> FaceTrack:
    """The box is the mask's, the lower half of the face, as the preparation has it."""
    whole = lower_half(face.width)
    middle = face.height // 4 * 2
    box = (face.left, face.top + middle, face.right, face.bottom)
    random = np.random.default_rng(11)
    latents = random.normal(0, 1, (count, *LATENT_SHAPE)).astype(np.float16)
    faces = np.tile(np.array((face.left, face.top, face.right, face.bottom), np.int32), (count, 1))
    return FaceTrack(
        boxes=np.tile(np.array(box, np.int32), (count, 1)),
        mask_index=np.zeros(count, np.int32),
        masks=(np.ascontiguousarray(whole[middle:]),),
        data={LATENTS: latents, FACE_BOX: faces},
        face=Face(face.width, face.height, 1.0),
    )


def swelling_hum(frames: int) -> NDArray[np.float32]:
    """So many frames of a tone with overtones that swells four times a second: mono at 16 kHz, in [-1, 1]."""
    at = np.arange(frames * HEARD_PER_FRAME) / HEARD_RATE
    wave = sum(np.sin(at * 2 * np.pi * 140 * overtone) / overtone for overtone in range(1, 12))
    return np.asarray(0.1 * wave * (1 - np.cos(2 * np.pi * 4 * at)), np.float32)


def there_and_back(count: int) -> Iterator[int]:
    """0 to count - 1 and back, again and again, as avatars are gone through."""
    while True:
        yield from range(count)
        yield from reversed(range(count))
