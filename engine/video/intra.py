"""A prepared avatar's frames as one file of H.264 pictures, each of which can be read alone.

Every packet is Annex B with its own parameter sets and one IDR picture, so a byte range of the file
is a whole frame, and walking backwards costs what walking forwards costs. Files are tagged BT.709,
limited range.

x264 `ultrafast` at a constant quantiser of 18, measured on a photograph of a face (skimage's
astronaut): 47.2 dB Y-PSNR and 85 kB a frame at 512 x 512; enlarged to 1280 x 720 48.8 dB, 197 kB,
4 ms to encode on two cores and 4.5 ms to decode on one. crf 10 gives the first frame 54 dB and all
later ones 45, for rate control takes a row of intra pictures for a costly scene; a constant quantiser
treats them alike. `veryfast` saves 15-20 % of the bytes and takes 2.5 to 3 times as long to decode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.codec.context import CodecContext, Flags
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from engine.timebase import FRAME_RATE
from engine.video.i420 import I420, Bytes

X264_PRESET = "ultrafast"
X264_QUANTISER = 18
ENCODER_THREADS = 2


class FrameDamaged(ValueError):
    """The bytes of one frame don't decode to one frame of the file's size."""


@dataclass(frozen=True)
class IntraIndex:
    """Where each of N frames lies: frame i is bytes [offsets[i], offsets[i + 1]).

    offsets: (N + 1,) int64, rising, from 0. width, height: pixels of every frame.
    """

    offsets: NDArray[np.int64]
    width: int
    height: int

    def __post_init__(self) -> None:
        rising = self.offsets.ndim == 1 and len(self.offsets) > 0 and bool((np.diff(self.offsets) > 0).all())
        if self.offsets.dtype != np.int64 or not rising or self.offsets[0] != 0:
            raise ValueError("the offsets of N frames are N + 1 rising int64 from 0")

    @property
    def count(self) -> int:
        return len(self.offsets) - 1


class IntraWriter:
    """Writes frames of one size, in order, to a new file."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._encoder = _encoder(width, height)
        self._file = path.open("wb")
        self._offsets = [0]
        self._written = 0

    def __enter__(self) -> IntraWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, picture: I420) -> list[bytes]:
        """Take one frame, and append those that are ready: the encoder keeps a few back. Returns their packets.

        Raises ValueError when the picture has another size than the file.
        """
        if (picture.width, picture.height) != (self._encoder.width, self._encoder.height):
            raise ValueError(f"a picture of {picture.width}x{picture.height} in a file of another size")
        frame = av.VideoFrame.from_ndarray(picture.packed, format="yuv420p")
        frame.pts = self._written
        self._written += 1
        return self._append(frame)

    def flush(self) -> list[bytes]:
        """Append what the encoder has kept back, once, after the last frame. Returns these packets."""
        return self._append(None)

    def close(self) -> IntraIndex:
        """Close the file, once, after ``flush``."""
        self._file.close()
        return IntraIndex(np.array(self._offsets, np.int64), self._encoder.width, self._encoder.height)

    def _append(self, frame: av.VideoFrame | None) -> list[bytes]:
        packets = [bytes(packet) for packet in self._encoder.encode(frame)]
        for packet in packets:
            self._file.write(packet)
            self._offsets.append(self._offsets[-1] + len(packet))
        return packets


class IntraDecoder:
    """Decodes the packets of an IntraWriter, in any order. One decoder serves one thread. size: (width, height)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._decoder = _decoder()

    def picture(self, data: bytes, number: int) -> I420:
        """The frame ``number``, whose packet this is. Raises FrameDamaged, as IntraReader does."""
        picture = i420_of(self._decode(data, number))
        if (picture.width, picture.height) != self._size:
            raise FrameDamaged(f"frame {number} has another size than the file")
        return picture

    def _decode(self, data: bytes, number: int) -> av.VideoFrame:
        packet: av.Packet[Stream] = av.Packet(data)
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError as error:
            raise self._damaged(number) from error
        if len(frames) != 1 or frames[0].is_corrupt:
            raise self._damaged(number)
        return frames[0]

    def _damaged(self, number: int) -> FrameDamaged:
        # After a broken slice the same decoder, even flushed, gives the next picture otherwise than a fresh one does.
        self._decoder = _decoder()
        return FrameDamaged(f"frame {number} is damaged")


class IntraReader:
    """Reads an IntraWriter's file in any order; a FrameSource. One reader serves one thread."""

    def __init__(self, path: Path, index: IntraIndex) -> None:
        self._index = index
        self._decoder = IntraDecoder(self.size)
        self._file = path.open("rb", buffering=0)

    def __enter__(self) -> IntraReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def count(self) -> int:
        return self._index.count

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._index.width, self._index.height

    def frame(self, index: int) -> I420:
        """Frame ``index``, 0 <= index < count.

        Raises IndexError outside that, FrameDamaged when its bytes are not a frame. A flipped bit
        that leaves a valid H.264 picture can't be told: that takes a checksum of the file.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"frame {index} of {self.count}")
        return self._decoder.picture(self._packet(index), index)

    def __iter__(self) -> Iterator[I420]:
        return (self.frame(index) for index in range(self.count))

    def _packet(self, index: int) -> bytes:
        start, end = (int(edge) for edge in self._index.offsets[index : index + 2])
        data = os.pread(self._file.fileno(), end - start, start)
        if len(data) < end - start:
            raise FrameDamaged(f"the file ends before frame {index} does")
        return data


def i420_of(frame: av.VideoFrame) -> I420:
    """A copy of a yuv420p frame of even size, without the padding at its lines' ends.

    Raises FrameDamaged for another layout.
    """
    if frame.format.name != "yuv420p" or frame.width % 2 or frame.height % 2:
        raise FrameDamaged(f"a frame is {frame.format.name} of {frame.width}x{frame.height}")
    picture = I420.blank(frame.width, frame.height)
    for target, plane in zip((picture.y, picture.u, picture.v), frame.planes, strict=True):
        lines: Bytes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        target[:] = lines[:, : plane.width]
    return picture


def _encoder(width: int, height: int) -> VideoCodecContext:
    encoder = CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = Fraction(FRAME_RATE)
    encoder.time_base = Fraction(1, FRAME_RATE)
    encoder.gop_size = 1
    encoder.thread_count = ENCODER_THREADS
    encoder.color_range = ColorRange.MPEG
    encoder.colorspace = Colorspace.ITU709
    encoder.color_primaries = ColorPrimaries.BT709
    encoder.color_trc = ColorTrc.BT709
    encoder.options = {
        "preset": X264_PRESET,
        "qp": str(X264_QUANTISER),
        "x264-params": "keyint=1:scenecut=0:bframes=0:rc-lookahead=0:repeat-headers=1:annexb=1",
    }
    encoder.open()
    return encoder


def _decoder() -> VideoCodecContext:
    """Gives each packet's picture at once: frame threads would hold some back."""
    decoder = CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.flags |= Flags.low_delay
    decoder.options = {"err_detect": "explode"}
    return decoder
