"""Which encoder a worker uses: NVENC where it opens and does what is asked of it, x264 elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import av
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from engine.errors import ConfigurationError
from engine.timebase import FRAME_RATE
from engine.video.encode import EncoderRefused, EncoderSettings, Mp4Writer, VideoEncoder, open_encoder
from engine.video.i420 import I420
from engine.video.quality import Quality

log = logging.getLogger(__name__)

TRIAL_SIDE = 256
"""Pixels each way of the pictures that try an encoder out: NVENC takes none much smaller."""
MOST_THREADS = 4

Trial = Callable[[VideoEncoder], None]
"""Encodes a few pictures; raises EncoderRefused where that can't be done as a video needs it."""


@dataclass(frozen=True)
class NvencSettings:
    """The encoder of an NVIDIA GPU. Not measured on a GPU.

    instead: what encodes a video that the GPU takes no session for: consumers' cards have few, and none takes
    pictures below 145 x 49 or above 4096 x 4096.
    cq: constant quality, 1 to 51, like x264's crf. preset: p1 (fast) to p7.
    """

    instead: EncoderSettings
    cq: int = 23
    preset: Literal["p1", "p2", "p3", "p4", "p5", "p6", "p7"] = "p4"
    threads: int = 1

    @property
    def codec(self) -> str:
        return "h264_nvenc"

    def at(self, quality: Quality) -> NvencSettings:
        """As the protocol has it: as far from the standard as x264 is."""
        chosen = replace(self, instead=self.instead.at(quality))
        match quality:
            case "draft":
                return replace(chosen, cq=31, preset="p1")
            case "standard":
                return chosen
            case "high":
                return replace(chosen, cq=19)

    def options(self) -> dict[str, str]:
        """A keyframe every second exactly, nothing reordered or held back: no B-frames, no look ahead, no delay.

        A bit rate of 0 leaves the rate to ``cq``.
        """
        return {
            "preset": self.preset,
            "tune": "hq",
            "profile": "high",
            "rc": "vbr",
            "cq": str(self.cq),
            "b": "0",
            "bf": "0",
            "g": str(FRAME_RATE),
            "delay": "0",
            "zerolatency": "1",
        }


def try_out(encoder: VideoEncoder) -> None:
    """Encode a second of pictures and one more.

    Raises EncoderRefused when the encoder doesn't open or fails, and when it doesn't give every picture's packet at
    once, in order, with a keyframe every second exactly.
    """
    try:
        context = _opened(encoder)
        found = [_packets(context, at) for at in range(FRAME_RATE + 1)]
    except (av.FFmpegError, UnknownCodecError) as error:
        raise EncoderRefused(f"{encoder.codec} fails: {error}") from error
    told = [(packet.pts, packet.dts, packet.is_keyframe) for packets in found for packet in packets]
    wanted = [(at, at, at % FRAME_RATE == 0) for at in range(FRAME_RATE + 1)]
    if told != wanted:
        raise EncoderRefused(f"{encoder.codec} holds pictures back, reorders them or sets its keyframes elsewhere")


def choose_encoder(
    wanted: Literal["auto", "x264", "nvenc"], cores: int, jobs: int, trial: Trial = try_out
) -> VideoEncoder:
    """The encoder for a worker of so many cores that runs up to so many jobs at a time.

    Raises ConfigurationError where NVENC is demanded and refused.
    """
    x264 = EncoderSettings(threads=x264_threads(cores, jobs))
    if wanted == "x264":
        return x264
    nvenc = NvencSettings(instead=x264)
    try:
        trial(nvenc)
    except EncoderRefused as refusal:
        if wanted == "nvenc":
            raise ConfigurationError(
                "ENCODER is nvenc, and this machine's GPU has no video encoder or none that can be used (H100, H200 "
                "and A100 have none; a container needs the driver's `video` capability). Set ENCODER to auto or x264."
            ) from refusal
        log.info("Videos are encoded with x264: %s", refusal)
        return x264
    return nvenc


def x264_threads(cores: int, jobs: int) -> int:
    """How many frames one video's encoder works at: the cores shared out among the jobs, at most MOST_THREADS.

    Every one holds another frame back, and takes 7 MB at 720p.
    """
    return max(1, min(MOST_THREADS, cores // jobs))


def begin_mp4(make: Callable[[VideoEncoder], Mp4Writer], encoder: VideoEncoder) -> Mp4Writer:
    """The writer that ``make`` gives for ``encoder``, or for what stands in for it where it takes no more videos.

    Raises what ``make`` raises, and EncoderRefused where nothing stands in.
    """
    try:
        return make(encoder)
    except EncoderRefused as refusal:
        if encoder.instead is None:
            raise
        log.warning("A video is encoded with %s: %s", encoder.instead.codec, refusal)
        return make(encoder.instead)


def _opened(encoder: VideoEncoder) -> VideoCodecContext:
    context = CodecContext.create(encoder.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width = context.height = TRIAL_SIDE
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(FRAME_RATE)
    context.options = encoder.options()
    open_encoder(context, encoder)
    return context


def _packets(context: VideoCodecContext, at: int) -> list[Packet[Any]]:
    picture = I420.blank(TRIAL_SIDE, TRIAL_SIDE)
    picture.packed[:] = 128
    picture.y[:, : 8 * (at + 1)] = 200
    frame = av.VideoFrame.from_numpy_buffer(picture.packed, "yuv420p")
    frame.pts, frame.time_base = at, Fraction(1, FRAME_RATE)
    return list(context.encode(frame))
