"""Media made for the tests of this folder, as small as each point allows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.media.frames import ClipInfo, open_frames
from engine.media.limits import MediaLimits, SoundLimits
from engine.video.i420 import I420

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
WIDTH, HEIGHT = 128, 96
MEDIA_LIMITS = MediaLimits(10_000_000, 60, 3_000_000_000, 30, 1280 * 720)
SOUND_LIMITS = SoundLimits(10_000_000, 60, 3_000_000_000, 30)

Rgb = NDArray[np.uint8]
"""Height x width x 3, or x 4 with alpha."""


def read(path: Path, limits: MediaLimits = MEDIA_LIMITS) -> tuple[list[I420], ClipInfo]:
    """Every frame of a file, and what is said of it at the end."""
    with open_frames(path, limits, CancelToken()) as stream:
        frames = list(stream)
        return frames, stream.info


def flat(red: int, green: int, blue: int, width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def corners(width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    """Quarters: red, green over blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def gray(level: int, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    """A yuv420p frame of one luma level."""
    return planes(level, 128, 128, width, height)


def planes(y: int, u: int, v: int, width: int = WIDTH, height: int = HEIGHT, layout: str = "yuv420p") -> av.VideoFrame:
    """A frame of one colour, given as its samples."""
    frame = av.VideoFrame(width, height, layout)
    for plane, value in zip(frame.planes, (y, u, v), strict=True):
        wide = layout.endswith("le")
        samples = np.full(plane.buffer_size // (2 if wide else 1), value, "<u2" if wide else np.uint8)
        plane.update(samples.tobytes())
    return frame


def film(
    path: Path,
    frames: Sequence[av.VideoFrame],
    rate: Fraction | int = 25,
    *,
    codec: str = "libx264",
    stamps: Sequence[int] | None = None,
    base: Fraction | None = None,
    options: dict[str, str] | None = None,
    adjust: Callable[[av.VideoStream], None] = lambda stream: None,
    container: str | None = None,
) -> Path:
    """Write the frames as they are; ``stamps`` are their times in units of ``base``."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.options = dict(options if options is not None else {"crf": "4", "preset": "ultrafast"})
        if base is not None:
            stream.codec_context.time_base = base
        adjust(stream)
        for number, frame in enumerate(frames):
            frame.pts = stamps[number] if stamps else number
            frame.time_base = base or 1 / Fraction(rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def still(path: Path, picture: Rgb, codec: str = "png", layout: str | None = None) -> Path:
    """Write one picture file."""
    source = "rgba" if picture.shape[2] == 4 else "rgb24"
    frame = av.VideoFrame.from_ndarray(picture, format=source).reformat(
        format=layout or source, dst_colorspace="ITU601", dst_color_range="JPEG" if codec == "mjpeg" else None
    )
    options = {"lossless": "1"} if codec == "libwebp" else {"qmin": "1", "q": "1"} if codec == "mjpeg" else {}
    kind = {"libwebp": "webp", "gif": "gif"}.get(codec, "image2pipe")
    return film(path, [frame], codec=codec, options=options, container=kind)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header promises a large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def tone(seconds: float, rate: int = 48_000, level: float = 0.5, hertz: float = 440) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def recording(
    path: Path, channels: Sequence[NDArray[np.float32]], rate: int, codec: str, container: str | None = None
) -> Path:
    """Write channels of samples in [-1, 1] as a sound file."""
    with av.open(str(path), "w", format=container) as output:
        fill_sound(output, sound_track(output, len(channels), rate, codec), np.stack(channels))
    return path


def sound_track(output: OutputContainer, channels: int, rate: int, codec: str) -> av.AudioStream:
    stream = output.add_stream(codec, rate=rate)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.layout = LAYOUTS[channels]
    if codec == "vorbis":
        stream.codec_context.options = {"strict": "-2"}
    return stream


def fill_sound(output: OutputContainer, stream: av.AudioStream, channels: NDArray[np.float32]) -> None:
    """Encode channels of samples and end the stream."""
    layout, rate = LAYOUTS[len(channels)], stream.rate
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
    frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(stream.codec_context.format, layout, rate, stream.codec_context.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(part))
    output.mux(stream.encode())


def middle(picture: I420, across: float = 0.5, down: float = 0.5) -> tuple[int, int, int]:
    """Y, U, V at a point given as shares of width and height."""
    x, y = int(picture.width * across), int(picture.height * down)
    return int(picture.y[y, x]), int(picture.u[y // 2, x // 2]), int(picture.v[y // 2, x // 2])
