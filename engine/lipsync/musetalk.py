"""The MuseTalk renderer's drawing: a frame's latents and its sound through the UNet and the decoder, into the frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import ConfigurationError
from engine.lipsync.musetalk_listener import MuseTalkListener
from engine.lipsync.renderer import Array, Face, FaceTrack, Listener, Shot
from engine.lipsync.silence import RestGate
from engine.lipsync.windows import position_encoding
from engine.nets.hearing import Hearing
from engine.nets.networks import Networks
from engine.video.bgr import bgr_of, i420_of
from engine.video.i420 import I420, Box, Bytes

MUSETALK = "musetalk"
LATENTS = "latents"
FACE_BOX = "face_box"
"""Names of the track's arrays."""
SIDE = 256
"""Width and height of the face that the networks take and draw."""
LATENT_SHAPE = (8, SIDE // 8, SIDE // 8)
"""A frame's latents: four planes of the face with its lower half masked, then four of the whole face."""


@dataclass(frozen=True)
class HeardFrame:
    """One frame's sound: tokens [50, 384], and how much of the mouth is the network's, 1, or the avatar's own, 0."""

    tokens: Array
    speaks: float


class RestingListener:
    """MuseTalk's listener, which also says when the mouth rests."""

    def __init__(self, tokens: MuseTalkListener, *, rests: bool) -> None:
        self._tokens = tokens
        self._gate = RestGate() if rests else None
        self._heard: deque[Array] = deque()
        self._shares: deque[float] = deque()

    def push(self, heard: NDArray[np.float32]) -> list[HeardFrame]:
        """As the protocol has it."""
        return self._joined(self._tokens.push(heard), self._gate.push(heard) if self._gate else None)

    def finish(self) -> list[HeardFrame]:
        """As the protocol has it."""
        return self._joined(self._tokens.finish(), self._gate.finish() if self._gate else None)

    def _joined(self, tokens: list[Array], shares: Iterable[float] | None) -> list[HeardFrame]:
        self._heard.extend(tokens)
        self._shares.extend([1.0] * len(tokens) if shares is None else shares)
        decided = min(len(self._heard), len(self._shares))
        return [HeardFrame(self._heard.popleft(), self._shares.popleft()) for _ in range(decided)]


class MuseTalkLipSync:
    """Draws with ``networks``. ``rests``: whether the mouth comes to rest in silence.

    A track of it holds, for every frame, LATENTS of LATENT_SHAPE and FACE_BOX (left, top, right, bottom of the face
    in the frame, which may reach beyond it).
    """

    name = MUSETALK

    def __init__(self, networks: Networks, *, rests: bool = True) -> None:
        self._networks = networks
        self._hearing = Hearing(networks.whisper)
        width = networks.whisper.conv1.out_channels
        self._positions = torch.from_numpy(position_encoding(width=width)).to(networks.device, networks.dtype)
        self._rests = rests

    def listen(self) -> Listener:
        """A fresh listener for one job's sound."""
        return RestingListener(MuseTalkListener(self._hearing), rests=self._rests)

    def draw(self, shots: Sequence[Shot]) -> list[I420]:
        """A picture of the box's size for every shot; the networks see only the shots that speak."""
        speaking = [shot for shot in shots if shot.feature.speaks > 0]
        faces: Iterator[Bytes] = iter(self._faces(speaking) if speaking else ())
        return [_drawn(shot, next(faces)) if shot.feature.speaks > 0 else _resting(shot) for shot in shots]

    def warm(self) -> None:
        """Draw one face of nothing: the first drawing loads what the later ones have."""
        self.draw([_nothing(self._positions.shape)])

    def _faces(self, shots: Sequence[Shot]) -> Bytes:
        """The networks' faces: BGR uint8 [B, 256, 256, 3]. Raises ConfigurationError where they are no numbers."""
        latents = np.stack([shot.track.data[LATENTS][shot.index] for shot in shots])
        tokens = np.stack([shot.feature.tokens for shot in shots])
        with torch.inference_mode():
            heard = self._placed(tokens) + self._positions
            drawn = self._networks.vae_decoder(self._networks.unet(self._placed(latents), heard))
            if not drawn.isfinite().all():
                raise no_numbers()
            shown = (drawn / 2 + 0.5).clamp(0, 1).float().mul(255).round().to(torch.uint8)
            faces: Bytes = shown.flip(1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return faces

    def _placed(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self._networks.device, self._networks.dtype)


def no_numbers() -> ConfigurationError:
    """What is wrong where the networks answer with infinities: half precision too small for them, or other weights."""
    return ConfigurationError(
        "The networks' answer is no number. Set MODEL_DTYPE to bf16; if that doesn't help, see whether the weights are "
        "right: `python -m builder.fetch_models --verify --dir` with their folder."
    )


def _nothing(tokens: Sequence[int]) -> Shot:
    """A grey face that hears ``tokens``, by their shape, of silence and speaks."""
    whole = np.array([[0, 0, SIDE, SIDE]], np.int32)
    data: dict[str, Array] = {LATENTS: np.zeros((1, *LATENT_SHAPE), np.float16), FACE_BOX: whole}
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    track = FaceTrack(whole, np.zeros(1, np.int32), (mask,), data, Face(SIDE, SIDE, 1.0))
    grey = I420(np.full((SIDE * 3 // 2, SIDE), 128, np.uint8))
    return Shot(grey, 0, track, HeardFrame(np.zeros(tokens, np.float32), 1.0))


def _resting(shot: Shot) -> I420:
    return shot.frame.crop(_box(shot))


def _drawn(shot: Shot, face: Bytes) -> I420:
    box = _box(shot)
    own = shot.frame.crop(box)
    picture = i420_of(_pasted(bgr_of(own), box, shot.track.data[FACE_BOX][shot.index], face))
    return picture if shot.feature.speaks >= 1 else _faded(own, picture, shot.feature.speaks)


def _pasted(picture: Bytes, box: Box, bounds: Array, face: Bytes) -> Bytes:
    """``picture``, which shows ``box`` of the frame, with the face drawn over its place at ``bounds``."""
    left, top, right, bottom = (int(edge) for edge in bounds)
    large = cv2.resize(face, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    across = slice(max(left, box.left), min(right, box.right))
    down = slice(max(top, box.top), min(bottom, box.bottom))
    picture[down.start - box.top : down.stop - box.top, across.start - box.left : across.stop - box.left] = large[
        down.start - top : down.stop - top, across.start - left : across.stop - left
    ]
    return picture


def _faded(own: I420, drawn: I420, share: float) -> I420:
    return I420(np.asarray(cv2.addWeighted(drawn.packed, share, own.packed, 1 - share, 0), np.uint8))


def _box(shot: Shot) -> Box:
    box = shot.track.box(shot.index)
    if box is None:
        raise ValueError(f"frame {shot.index} has no face to draw")
    return box
