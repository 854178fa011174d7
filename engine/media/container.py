"""Opens a caller's file inside the decoding process, in a way that lets libav open nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NoReturn

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition, Stream

from engine.media.wire import Flaw, Reason, Refusal

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,mjpeg,ivf,obu,av1,flv,asf,ogg,mxf,nut,dv,gxf,wtv,yuv4mpegpipe",
    "gif,gif_pipe,apng,webp,webp_pipe,png_pipe,jpeg_pipe,bmp_pipe,tiff_pipe,qoi_pipe,jpegxl_pipe,jpegxl_anim",
    "wav,w64,mp3,aac,flac,aiff,caf,au,amr,ac3,eac3,wv,tta,ape,opus,oga",
)
"""Formats that hold their own data. Left out: playlists, scripts, picture sequences and devices, which name others."""

CODED_MARGIN = 1 << 18
"""Decoders count whole macroblocks, so a picture of exactly the limit is coded with a little more."""

THREADS = 2


def open_container(source: BinaryIO, max_pixels: int) -> InputContainer:
    """Read what ``source`` says of itself.

    Raises Refusal: NOT_MEDIA, TOO_LARGE.
    """
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
    if max_pixels:
        options["max_pixels"] = str(max_pixels + CODED_MARGIN)
    # The size of many pictures is known only to their decoder, which tells it in its log alone.
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as logs:
            # Nobody reads a file's titles here, and many old ones are not in UTF-8.
            container = av.open(source, "r", options=options, io_open=_open_nothing, metadata_errors="replace")
    except av.FFmpegError as error:
        raise Refusal(Reason.NOT_MEDIA) from error
    finally:
        av.logging.set_level(None)
    if any(text.startswith("Picture size") for _, _, text in logs):
        raise Refusal(Reason.TOO_LARGE)
    return container


def _open_nothing(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError("a caller's file may name no other")


def header_seconds(container: InputContainer, stream: Stream) -> float:
    """How long the container says the stream is, 0 where it doesn't say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def demand_decoder(stream: Stream) -> None:
    """Raises Refusal: NOTHING_DECODES when libav knows no decoder for the stream."""
    if stream.codec_context is None:
        raise Refusal(Reason.NOTHING_DECODES)


def is_picture_of_its_own(stream: Stream) -> bool:
    """Not a sound's cover and not a tile of a larger picture."""
    return not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent)


class Frames:
    """The frames of one stream that decode, in order; damage is counted and stepped over."""

    def __init__(self, container: InputContainer, stream: Stream) -> None:
        self._container = container
        self._stream = stream
        self.damaged = 0
        stream.codec_context.thread_count = THREADS

    def __iter__(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame | av.AudioFrame) and not frame.is_corrupt:
                    yield frame
                else:
                    self.damaged += 1

    def flaws(self, seconds: float, cut_short: bool = False) -> tuple[Flaw, ...]:
        """What to say of the stream after its last frame, when ``seconds`` of it were read.

        cut_short: the file is known to end too early, whatever length the container tells.
        """
        promised = header_seconds(self._container, self._stream)
        early = cut_short or promised - seconds > max(0.5, 0.02 * promised)
        found = ((Flaw.ENDS_EARLY, early), (Flaw.DAMAGED, self.damaged > 0))
        return tuple(flaw for flaw, present in found if present)

    def _packets(self) -> Iterator[av.Packet[Stream]]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.damaged += 1
                return
            if packet is None:
                return
            yield packet
