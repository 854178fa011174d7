"""Runs in the decoding process: a video or picture in, normalised frames at 25 a second out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from engine.media.container import Frames, demand_decoder, header_seconds, is_picture_of_its_own, open_container
from engine.media.graph import Chain, picture_source
from engine.media.pictures import Normaliser
from engine.media.tempo import Clock, Tempo, usual_period
from engine.media.wire import ClipHeader, Ending, Kind, Reason, Refusal, Task, say, send

HIGHEST_RATE = 1000
"""Frames a second that are decoded at most, whatever the timestamps say."""


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame, its time and the end of its showing, in seconds since the first frame."""

    frame: av.VideoFrame
    time: Fraction
    end: Fraction


def decode_pictures(source: BinaryIO, task: Task, target: int) -> None:
    """Write HEADER, PICTUREs and END to the descriptor ``target``.

    Raises Refusal: NOT_MEDIA, NO_PICTURE, TILED, NOTHING_DECODES, COLOURS, TOO_SMALL, TOO_LARGE, TOO_LONG, MEMORY.
    """
    with open_container(source, task.max_pixels) as container:
        stream = picture_stream(container)
        demand_decoder(stream)
        _check_promises(container, stream, task)
        frames = Frames(container, stream)
        clip = _Clip(container, stream, task, target)
        for timed in timed_frames(progressive(frames), usual_period(_rate(stream))):
            clip.take(timed)
        ending = clip.finish()
        say(target, Kind.END, Ending(ending, frames.flaws(ending)))


def picture_stream(container: InputContainer) -> VideoStream:
    """The stream to show.

    Raises Refusal: NO_PICTURE, TILED.
    """
    own = [stream for stream in container.streams.video if is_picture_of_its_own(stream)]
    if own:
        return own[0]
    tiled = any(stream.disposition & av.stream.Disposition.dependent for stream in container.streams.video)
    raise Refusal(Reason.TILED if tiled else Reason.NO_PICTURE)


def progressive(frames: Frames) -> Iterator[av.VideoFrame]:
    """The frames with interlaced ones made whole, one for one, from the first interlaced one on."""
    chain: Chain | None = None
    for frame in frames:
        if not isinstance(frame, av.VideoFrame):
            continue
        if chain is None and frame.interlaced_frame:
            chain = Chain(picture_source(frame), ("bwdif=mode=send_frame:deint=interlaced",), "buffersink")
        yield from _pictures(chain.push(frame)) if chain else (frame,)
    if chain:
        yield from _pictures(chain.finish())


def timed_frames(frames: Iterator[av.VideoFrame], period: Fraction) -> Iterator[TimedFrame]:
    """The frames with their times."""
    clock = Clock(period)
    for frame in frames:
        base = frame.time_base or period
        time = clock.time(None if frame.pts is None else frame.pts * base)
        yield TimedFrame(frame, time, time + (frame.duration * base if frame.duration > 0 else period))


class _Clip:
    """Holds the newest frame back until it is known how often it is shown."""

    def __init__(self, container: InputContainer, stream: VideoStream, task: Task, target: int) -> None:
        self._container = container
        self._stream = stream
        self._task = task
        self._target = target
        self._normaliser = Normaliser(_aspect(stream), task.max_pixels)
        self._tempo = Tempo(stream.time_base or Fraction(1, 1000))
        self._newest: TimedFrame | None = None
        self._taken = 0
        self._announced = False

    def take(self, timed: TimedFrame) -> None:
        self._taken += 1
        if timed.time > self._task.max_seconds or self._taken > self._task.max_seconds * HIGHEST_RATE + 1:
            raise Refusal(Reason.TOO_LONG, float(timed.time))
        if self._newest:
            self._show(self._newest, self._tempo.showings_before(timed.time))
        self._newest = timed

    def finish(self) -> float:
        """Show the last frame; the clip's seconds, 0 for a still."""
        if not self._newest:
            raise Refusal(Reason.NOTHING_DECODES)
        if self._taken == 1:
            self._show(self._newest, 1)
            return 0.0
        end = self._newest.end
        if end - Fraction(1, 2) > self._task.max_seconds:
            raise Refusal(Reason.TOO_LONG, float(end))
        self._show(self._newest, self._tempo.showings_until(end))
        return float(end)

    def _show(self, timed: TimedFrame, times: int) -> None:
        if not times:
            return
        picture = self._normaliser.picture(timed.frame)
        if not self._announced:
            self._announced = True
            say(self._target, Kind.HEADER, self._header(timed.frame, picture))
        send(self._target, Kind.PICTURE, _packed(picture), times)

    def _header(self, source: av.VideoFrame, picture: av.VideoFrame) -> ClipHeader:
        rate = _rate(self._stream) or Fraction(0)
        still = self._taken == 1
        return ClipHeader(
            width=picture.width,
            height=picture.height,
            source_width=source.width,
            source_height=source.height,
            rate_numerator=0 if still else rate.numerator,
            rate_denominator=rate.denominator,
            seconds=0.0 if still else header_seconds(self._container, self._stream),
            codec=self._stream.codec_context.name,
            still=still,
        )


def _check_promises(container: InputContainer, stream: VideoStream, task: Task) -> None:
    seconds = header_seconds(container, stream)
    if seconds > task.max_seconds + 0.5:
        raise Refusal(Reason.TOO_LONG, seconds)
    pixels = stream.codec_context.width * stream.codec_context.height
    if pixels > task.max_pixels:
        raise Refusal(Reason.TOO_LARGE, pixels)


def _rate(stream: VideoStream) -> Fraction | None:
    return stream.average_rate or stream.guessed_rate


def _aspect(stream: VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and aspect > 0 else Fraction(1)


def _pictures(frames: Iterator[av.VideoFrame | av.AudioFrame]) -> Iterator[av.VideoFrame]:
    return (frame for frame in frames if isinstance(frame, av.VideoFrame))


def _packed(picture: av.VideoFrame) -> list[bytes | memoryview]:
    """The planes Y, U, V without the padding at their lines' ends."""
    return [_lines(memoryview(plane), plane.line_size, plane.width, plane.height) for plane in picture.planes]


def _lines(plane: memoryview, stride: int, width: int, height: int) -> bytes | memoryview:
    if stride == width:
        return plane[: width * height]
    return b"".join(plane[row * stride : row * stride + width] for row in range(height))
