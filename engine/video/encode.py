"""Pictures and sound into files: an MP4 in one pass, and an MP3 of the sound.

Nothing of the caller's is kept after a call returns: pictures and samples may be written over at once.
libav's own messages go to Python's logger ``libav`` or nowhere, never to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import av
import numpy as np
from av import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from engine.timebase import FRAME_RATE, PLAYED_PER_FRAME, PLAYED_RATE
from engine.video.av_frame import av_frame
from engine.video.fragments import FragmentMuxer, FragmentSink
from engine.video.i420 import I420
from engine.video.output import MediaWriter, OutputFile
from engine.video.quality import Quality

Samples = NDArray[np.int16]
"""Mono sound at 48,000 samples a second."""

LEAD_SECONDS = 10
"""How far picture or sound may run ahead of the other before the file is no longer finely interleaved."""

AAC_BITS_PER_SECOND = 96_000
MP3_BITS_PER_SECOND = 128_000

_LEAD = LEAD_SECONDS * av.time_base
_BT709 = 1
_LIMITED_RANGE = 1


class EncoderRefused(Exception):
    """The encoder can't be opened, or doesn't do what a video needs."""


class VideoEncoder(Protocol):
    """An H.264 encoder: a keyframe every second exactly, and every frame's packet in order, without B-frames."""

    @property
    def codec(self) -> str:
        """FFmpeg's name of it."""
        ...

    @property
    def threads(self) -> int:
        """How many frames it works at; each but one holds another frame back."""
        ...

    @property
    def instead(self) -> VideoEncoder | None:
        """What encodes a video that this one refuses."""
        ...

    def options(self) -> dict[str, str]: ...

    def at(self, quality: Quality) -> VideoEncoder:
        """The encoder for videos of this quality; for standard ones it is itself."""
        ...


@dataclass(frozen=True)
class EncoderSettings:
    """How hard libx264 tries.

    crf: 0 (lossless) to 51. Without look ahead 22 draws the mouth better than 20 with five frames of it, by 0.5 to
    4 dB, for a tenth to a half more bytes: look ahead spends on what stays the same and saves on what moves. 6 s of a
    talking portrait at 720p are 1.5 MB.
    preset: superfast makes files nearly half as large again as veryfast for a tenth to a quarter less work; faster
    takes more than half as much work again and saves 3 %. ``python -m bench.compose_encode`` has figures.
    ``at``: a draft has about half of the standard's bytes for half of the work, 6 dB worse; high quality 1.5 to 2
    times the bytes for a tenth more work, 2 dB better. Slower presets don't pay there either.
    threads: frames encoded at once; the pictures do not depend on it. Each but the first holds one frame back.
    """

    crf: int = 22
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    threads: int = 1

    @property
    def codec(self) -> str:
        return "libx264"

    @property
    def instead(self) -> None:
        return None

    def at(self, quality: Quality) -> EncoderSettings:
        """As the protocol has it."""
        match quality:
            case "draft":
                return replace(self, crf=30, preset="superfast")
            case "standard":
                return self
            case "high":
                return replace(self, crf=18)

    def options(self) -> dict[str, str]:
        """libx264's options: a keyframe every second exactly, no B-frames, no look ahead.

        Every frame of look ahead makes the first fragment of a stream wait for another frame.
        """
        return {
            "crf": str(self.crf),
            "preset": self.preset,
            "bf": "0",
            "g": str(FRAME_RATE),
            "keyint_min": str(FRAME_RATE),
            "sc_threshold": "0",
            "rc-lookahead": "0",
            "x264-params": "sync-lookahead=0:force-cfr=1",
        }


def open_encoder(codec: VideoCodecContext, encoder: VideoEncoder) -> None:
    """Open ``codec``, which has its size and its options, as ``encoder`` and the service want it.

    Raises EncoderRefused.
    """
    codec.time_base = Fraction(1, FRAME_RATE)
    codec.thread_count = encoder.threads
    # Threads by slices would make the file larger, and the pictures different for every number of them.
    codec.thread_type = "FRAME"
    codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
    codec.color_range = _LIMITED_RANGE
    try:
        codec.open()
    except av.FFmpegError as error:
        raise EncoderRefused(f"{encoder.codec} doesn't open: {error.strerror}") from error


class Mp4Writer(MediaWriter):
    """H.264 and AAC in one MP4, the index before the data; on request handed out in fragments while it grows.

    Pictures and sound may come in any order and any pieces, by one thread at a time. Both are encoded at once;
    the muxer holds encoded packets until the other kind has caught up, at most LEAD_SECONDS of them (a few
    megabytes), so memory does not grow with the length. At the end the sound is filled up with silence to the
    last frame's end.

    The first picture and the first sample both play at 0: the encoder's 1,024 samples of run-in are cut off by
    the file's edit list. A silent video has no track of sound, and no sound may be written.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        encoder: VideoEncoder,
        *,
        comment: str = "",
        fragments: FragmentSink | None = None,
        silent: bool = False,
        trailer: bytes = b"",
    ) -> None:
        """Begin the file at ``path``. ``width`` and ``height`` are the pictures', even. ``trailer``: boxes for its end.

        Raises StorageFull and EncoderRefused; the file is then gone.

        ``fragments`` is given the same packets as a fragmented MP4, piece by piece, the last one by ``close``.
        What it raises is raised on by the method that called it, and the file is gone.
        """
        options = {"movflags": "+faststart", "max_interleave_delta": str(_LEAD)}
        super().__init__(OutputFile(path, "mp4", options, trailer))
        self.encoder = encoder
        with self._output.guarded():
            self._output.container.metadata["comment"] = comment
            self._picture = _PictureTrack(self._video_stream(width, height, encoder))
            self._sound = None if silent else _SoundTrack(self._audio_stream())
            self._fragments = None if fragments is None else FragmentMuxer(self._output.container, fragments, _LEAD)

    def write_frame(self, picture: I420) -> None:
        """Encode the next 1/25 s of picture. Raises StorageFull; the file is then gone."""
        with self._output.guarded():
            self._mux(self._picture.encode(picture))

    def write_sound(self, samples: Samples) -> None:
        """Encode the next samples, int16 mono at 48 kHz, any number. Raises StorageFull; the file is then gone."""
        with self._output.guarded():
            if self._sound is None:
                raise ValueError("a silent video has no sound")
            self._mux(self._sound.encode(samples))

    def _flush(self) -> None:
        heard = 0 if self._sound is None else self._sound.samples
        missing = self._picture.frames * PLAYED_PER_FRAME - heard
        if missing < 0 or not self._picture.frames:
            raise ValueError("a video has at least one frame, and frames to the end of its sound")
        self._mux(self._picture.flush())
        if self._sound is not None:
            self._mux(self._sound.encode(np.zeros(missing, np.int16)))
            self._mux(self._sound.flush())
        if self._fragments is not None:
            self._fragments.finish()

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            self._output.mux(packet)
            if self._fragments is not None:
                self._fragments.mux(packet)

    def _video_stream(self, width: int, height: int, encoder: VideoEncoder) -> VideoStream:
        stream = self._output.container.add_stream(
            encoder.codec, rate=FRAME_RATE, options=encoder.options(), width=width, height=height, pix_fmt="yuv420p"
        )
        assert isinstance(stream, VideoStream)
        open_encoder(stream.codec_context, encoder)
        return stream

    def _audio_stream(self) -> AudioStream:
        return self._output.container.add_stream(
            "aac", rate=PLAYED_RATE, layout="mono", bit_rate=AAC_BITS_PER_SECOND, time_base=Fraction(1, PLAYED_RATE)
        )


class Mp3Writer(MediaWriter):
    """The sound alone as MP3. Its header tells players the encoder's run-in and filling: it plays gaplessly."""

    def __init__(self, path: Path) -> None:
        """Begin the file at ``path``. Raises StorageFull."""
        super().__init__(OutputFile(path, "mp3", {}))
        with self._output.guarded():
            stream = self._output.container.add_stream(
                "libmp3lame", rate=PLAYED_RATE, layout="mono", bit_rate=MP3_BITS_PER_SECOND
            )
            self._sound = _SoundTrack(stream)

    def write_sound(self, samples: Samples) -> None:
        """Encode the next samples, int16 mono at 48 kHz, any number. Raises StorageFull; the file is then gone."""
        with self._output.guarded():
            for packet in self._sound.encode(samples):
                self._output.mux(packet)

    def _flush(self) -> None:
        if not self._sound.samples:
            raise ValueError("a sound has at least one sample")
        for packet in self._sound.flush():
            self._output.mux(packet)


class _PictureTrack:
    """Frames counted from 0; frame i is shown at i / 25 s."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self.frames = 0

    def encode(self, picture: I420) -> list[Packet[Any]]:
        if (picture.width, picture.height) != (self._stream.width, self._stream.height):
            raise ValueError("every picture has the size that the writer was made for")
        # The encoder copies the picture before encode returns, so the frame can borrow the caller's memory.
        frame = av_frame(picture)
        frame.pts = self.frames
        frame.time_base = Fraction(1, FRAME_RATE)
        self.frames += 1
        return self._stream.encode(frame)

    def flush(self) -> list[Packet[Any]]:
        return self._stream.encode(None)


class _SoundTrack:
    """Samples counted from 0; sample n is heard at n / 48,000 s."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self.samples = 0

    def encode(self, samples: Samples) -> Iterator[Packet[Any]]:
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError("sound is int16 of one dimension")
        for start in range(0, len(samples), PLAYED_RATE):
            yield from self._stream.encode(self._frame(samples[start : start + PLAYED_RATE]))

    def flush(self) -> list[Packet[Any]]:
        return self._stream.encode(None)

    def _frame(self, samples: Samples) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[np.newaxis], "s16", "mono")
        frame.sample_rate = PLAYED_RATE
        frame.time_base = Fraction(1, PLAYED_RATE)
        frame.pts = self.samples
        self.samples += len(samples)
        return frame
