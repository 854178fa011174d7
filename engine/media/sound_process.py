"""Runs in the decoding process: any file with sound in, mono int16 of 48 kHz out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from engine.media.container import Frames, demand_decoder, header_seconds, open_container
from engine.media.graph import Chain, sound_source
from engine.media.riff import is_cut_short
from engine.media.wire import LARGEST_SOUND, Ending, Kind, Reason, Refusal, SoundHeader, Task, say, send
from engine.timebase import PLAYED_RATE

SAMPLE_BYTES = 2
HIGHEST_RATE = 3_072_000
"""Samples a second: four times the highest of any recorder. At 500 MHz the filter takes 4 s and a gigabyte to make."""


def decode_samples(source: BinaryIO, task: Task, target: int) -> None:
    """Write HEADER, SOUNDs and END to the descriptor ``target``.

    Raises Refusal: NOT_MEDIA, NO_SOUND, NOTHING_DECODES, TOO_LONG, MEMORY.
    """
    cut_short = is_cut_short(source)
    with open_container(source, 0) as container:
        stream = sound_stream(container)
        demand_decoder(stream)
        promised = header_seconds(container, stream)
        if promised > task.max_seconds + 0.5:
            raise Refusal(Reason.TOO_LONG, promised)
        say(target, Kind.HEADER, SoundHeader(stream.codec_context.name, promised))
        frames = Frames(container, stream)
        seconds = _send_all(played(frames), task, target)
        if not seconds and frames.damaged:
            raise Refusal(Reason.NOTHING_DECODES)
        say(target, Kind.END, Ending(seconds, frames.flaws(seconds, cut_short)))


def sound_stream(container: InputContainer) -> AudioStream:
    """The stream to hear.

    Raises Refusal: NO_SOUND.
    """
    if not container.streams.audio:
        raise Refusal(Reason.NO_SOUND)
    return container.streams.audio[0]


def played(frames: Frames) -> Iterator[bytes]:
    """The frames as mono int16 samples of 48 kHz; where layout or rate change, the filters are made anew."""
    chain: Chain | None = None
    shape: str | None = None
    for frame in frames:
        if not isinstance(frame, av.AudioFrame):
            continue
        if chain is None or sound_source(frame) != shape:
            yield from _samples(chain.finish() if chain else iter(()))
            shape, chain = sound_source(frame), _chain(frame)
        yield from _samples(chain.push(frame))
    if chain:
        yield from _samples(chain.finish())


def _chain(frame: av.AudioFrame) -> Chain:
    """Channels are averaged in floating point before libswresample changes the rate, rounds and clips."""
    if frame.sample_rate > HIGHEST_RATE:
        raise Refusal(Reason.NOTHING_DECODES)
    channels = frame.layout.nb_channels
    mean = "+".join(f"{1 / channels:.9f}*c{channel}" for channel in range(channels))
    filters = (
        "aformat=sample_fmts=fltp",
        f"pan=mono|c0={mean}",
        f"aresample={PLAYED_RATE}:out_sample_fmt=s16:out_chlayout=mono",
    )
    try:
        return Chain(sound_source(frame), filters, "abuffersink")
    except av.FFmpegError as error:
        raise Refusal(Reason.NOTHING_DECODES) from error


def _samples(frames: Iterator[av.VideoFrame | av.AudioFrame]) -> Iterator[bytes]:
    for frame in frames:
        if isinstance(frame, av.AudioFrame):
            yield bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]


def _send_all(pieces: Iterator[bytes], task: Task, target: int) -> float:
    """Send the samples; their seconds."""
    sent = 0
    for piece in pieces:
        sent += len(piece) // SAMPLE_BYTES
        if sent > task.max_seconds * PLAYED_RATE:
            raise Refusal(Reason.TOO_LONG, sent / PLAYED_RATE)
        for start in range(0, len(piece), LARGEST_SOUND):
            send(target, Kind.SOUND, [piece[start : start + LARGEST_SOUND]])
    return sent / PLAYED_RATE
