"""Clips and sounds made on the spot, as small as the worker takes them."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

RATE = 25
SIDE = 256


def talking_head(path: Path, frames: int = RATE) -> Path:
    """A NASA portrait in the public domain, its face about half as wide as the picture, swaying a little."""
    astronaut: Callable[[], NDArray[np.uint8]] = skimage.data.astronaut
    portrait = astronaut()
    sways = (round(2 * np.sin(2 * np.pi * index / frames)) for index in range(frames))
    return write_clip(path, SIDE, (_enlarged(portrait[16:208, 128 + x : 320 + x]) for x in sways))


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.resize(picture, (SIDE, SIDE)).astype(np.uint8)


def noisy_head(path: Path, side: int = 768, frames: int = 10) -> Path:
    """The same face in the midst of noise, which no encoder makes small."""
    astronaut: Callable[[], NDArray[np.uint8]] = skimage.data.astronaut
    face = cv2.resize(astronaut()[16:208, 128:320], (SIDE, SIDE)).astype(np.uint8)
    chance = np.random.default_rng(7)
    middle = slice((side - SIDE) // 2, (side + SIDE) // 2)

    def picture() -> NDArray[np.uint8]:
        noise = chance.integers(0, 256, (side, side, 3), np.uint8)
        noise[middle, middle] = face
        return noise

    return write_clip(path, side, (picture() for _ in range(frames)))


def grey_clip(path: Path, frames: int = 10) -> Path:
    """A clip that shows nobody."""
    return write_clip(path, 64, (np.full((64, 64, 3), 120, np.uint8) for _ in range(frames)))


def write_clip(path: Path, side: int, pictures: Iterable[NDArray[np.uint8]]) -> Path:
    """H.264 in MP4 at 25 frames a second of square RGB pictures of one even size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, {"preset": "ultrafast", "crf": "16"})
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def wav_base64(samples: NDArray[np.int16], rate: int = 16_000) -> str:
    """Mono samples as a WAV file in base64."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


def hum(seconds: float, rate: int = 16_000) -> NDArray[np.int16]:
    """A voice-like sound: some harmonics of 140 Hz, swelling four times a second."""
    t = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 9))
    return (4_000 * tone * (1 - np.cos(2 * np.pi * 4 * t)) / 2).astype(np.int16)
