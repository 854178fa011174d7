"""The MuseTalk renderer's drawing: a frame's latents and its sound through the UNet and the decoder, into the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError
from engine.lipsync.device_memory import on_device, with_room
from engine.lipsync.musetalk_latents import LatentsOnDevice
from engine.lipsync.musetalk_listener import MuseTalkListener
from engine.lipsync.musetalk_pasting import drawn_mouth, own_mouth
from engine.lipsync.musetalk_resting import RestingListener
from engine.lipsync.musetalk_track import LATENT_SHAPE, LATENTS, MUSETALK
from engine.lipsync.renderer import Array, Finish, Listener, Shot
from engine.lipsync.windows import position_encoding
from engine.nets.face_batches import ComingFaces, EagerRunner, FaceBatches, Faces, Inputs, Paint
from engine.nets.face_painter import FacePainter
from engine.nets.graphed_runner import GraphedRunner
from engine.nets.hearing import Hearing
from engine.nets.networks import Networks
from engine.video.i420 import I420, Bytes

CUDA_BATCHES = (1, 2, 4, 8, 16)
"""Sizes of batches on a GPU. Worked out, not measured, its memory's upper bound in GB is 10:

1.9 for the weights in half precision; 3.8 for the graphs, which share the largest one's memory, where the widest
tensors, of 256 channels at 256 x 256, have 0.54 each and seven live at a time, cuDNN's own with them; 2.2 for a batch
of the preparation; 0.5 for latents; 1.5 for CUDA's context, its libraries and the ear. Compiling in another process
takes 1.8 + 3.0 + 1.0 more meanwhile: 16 in all.
"""
CPU_BATCHES = (1, 2)
"""On a CPU more faces at once are hardly faster, and take the more memory."""
TOKENS = 50
LATENTS_BYTES = 512_000_000


class MuseTalkLipSync:
    """Draws with ``networks`` in ``thread``.

    rests: whether the mouth comes to rest in silence. latents_bytes: room on the device for avatars' latents.
    Tracks are as ``musetalk_track`` says.
    """

    name = MUSETALK

    def __init__(
        self, networks: Networks, thread: ModelThread, *, rests: bool = True, latents_bytes: int = LATENTS_BYTES
    ) -> None:
        self._thread = thread
        self._hearing = Hearing(networks.whisper)
        self._rests = rests
        self.painter = _painter(networks)
        self.batches = _batches(self.painter)
        self.batch_sizes = self.batches.sizes
        self.begun = 0
        self._latents = LatentsOnDevice(self.painter.positions, latents_bytes)

    def listen(self, *, live: bool) -> Listener:
        """As the protocol has it."""
        return RestingListener(MuseTalkListener(self._heard, live=live), rests=self._rests)

    def begin(self, shots: Sequence[Shot]) -> FacesDrawing:
        """As the protocol has it; the networks see only the shots that speak."""
        self.begun += 1
        speaking = [shot for shot in shots if shot.feature.speaks > 0]
        if not speaking:
            return FacesDrawing(shots, None)
        with on_device():
            latents = [self._latents.row(shot.track.data[LATENTS], shot.index) for shot in speaking]
            return FacesDrawing(shots, self.batches.start(latents, [shot.feature.tokens for shot in speaking]))

    def relieve(self) -> None:
        """As the protocol has it."""
        self._latents.clear()
        if self.painter.positions.is_cuda:
            torch.cuda.empty_cache()

    def warm(self) -> None:
        """As the protocol has it. Raises DeviceMemoryExhausted, and ConfigurationError as a drawing does."""
        # The largest first: the smaller ones then find their memory.
        for size in reversed(self.batch_sizes):
            self._draw_nothing(size)

    def paint_with(self, paint: Paint, size: int) -> None:
        """Draw batches of ``size`` with ``paint`` from now on, unless it raises anything when it is tried here."""
        with on_device():
            self.batches.paint_with(paint, size)

    def _draw_nothing(self, size: int) -> None:
        grey, silence = self.painter.positions.new_zeros(LATENT_SHAPE), np.zeros(self.painter.positions.shape)
        with on_device():
            faces = self.batches.start([grey] * size, [silence] * size).wait()
        if not faces.finite.all():
            raise no_numbers()

    def _heard(self, segment: NDArray[np.float32]) -> Array:
        return with_room(self._thread, partial(self._hearing, segment), self.relieve)


def _painter(networks: Networks) -> FacePainter:
    encoding = position_encoding(TOKENS, networks.whisper.conv1.out_channels)
    positions = torch.from_numpy(encoding).to(networks.device, networks.dtype)
    painter = FacePainter(networks.unet, networks.vae_decoder, positions)
    # Not on a CPU, where torch's group norm over channels that lie last loses digits.
    if positions.is_cuda:
        painter.put_channels_last()
    return painter


def _batches(painter: FacePainter) -> FaceBatches:
    on_gpu = painter.positions.is_cuda
    sizes = CUDA_BATCHES if on_gpu else CPU_BATCHES
    inputs = Inputs.blank(sizes[-1], LATENT_SHAPE, painter.positions.shape, painter.positions)
    return FaceBatches(sizes, inputs, GraphedRunner() if on_gpu else EagerRunner(), painter)


@dataclass(frozen=True)
class FacesDrawing:
    """``coming``: the faces of those shots that speak, in order; None where none does."""

    shots: Sequence[Shot]
    coming: ComingFaces | None

    def wait(self) -> list[Finish]:
        """As the protocol has it; a face that is no picture is its own shot's ConfigurationError."""
        faces = iter(() if self.coming is None else _each(self.coming.wait()))
        return [
            partial(_finished, shot, next(faces)) if shot.feature.speaks > 0 else partial(own_mouth, shot)
            for shot in self.shots
        ]


def _each(faces: Faces) -> Iterator[Bytes | None]:
    """Every face, None where it is no picture."""
    return (picture if finite else None for picture, finite in zip(faces.pictures, faces.finite, strict=True))


def _finished(shot: Shot, face: Bytes | None) -> I420:
    if face is None:
        raise no_numbers()
    return drawn_mouth(shot, face)


def no_numbers() -> ConfigurationError:
    """What is wrong where the networks answer with infinities: half precision too small for them, or other weights."""
    return ConfigurationError(
        "The networks' answer is no number. Set MODEL_DTYPE to bf16; if that doesn't help, see whether the weights are "
        "right: `python -m builder.fetch_models --verify --dir` with their folder."
    )
