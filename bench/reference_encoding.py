"""Encoding as MuseTalk's scripts do it (commit 0a89dec), written anew from a description.

libx264 at crf 18 from the PNG files, and a second encoding, at the default crf 23, to add the sound. The scripts
call the ffmpeg program for both; here PyAV does them with the program's default settings, so that both ways use the
same libx264. The program would read the PNG files beside the encoder; here they are read between two frames,
several at once.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioFrame
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from engine.timebase import FRAME_RATE, PLAYED_RATE
from engine.video.encode import Samples

FIRST_CRF, SECOND_CRF = 18, 23


def encoded_twice(folder: Path, sound: Samples, target: Path) -> None:
    """The PNG files of ``folder`` into a silent video, and that again, with its sound, into ``target``."""
    silent = folder / "temp.mp4"
    pattern = str(folder / "%08d.png")
    rate = {"framerate": str(FRAME_RATE)}
    with av.open(pattern, format="image2", options=rate) as source, av.open(str(silent), "w") as output:
        _pictures(source, output, FIRST_CRF)
    with av.open(str(silent)) as source, av.open(str(target), "w") as output:
        track = output.add_stream("aac", rate=PLAYED_RATE, layout="mono")
        _pictures(source, output, SECOND_CRF)
        frame = AudioFrame.from_ndarray(sound[np.newaxis], "s16", "mono")
        frame.sample_rate = PLAYED_RATE
        output.mux([*track.encode(frame), *track.encode(None)])


def _pictures(source: InputContainer, output: OutputContainer, crf: int) -> None:
    incoming = source.streams.video[0]
    incoming.thread_type = "AUTO"
    stream = _x264(output, incoming, crf)
    for number, frame in enumerate(source.decode(incoming)):
        planar = frame.reformat(format="yuv420p")
        planar.pts, planar.time_base = number, Fraction(1, FRAME_RATE)
        # As the ffmpeg program does: else libx264 would make a keyframe of every frame that came as one.
        planar.pict_type = PictureType.NONE
        output.mux(stream.encode(planar))
    output.mux(stream.encode(None))


def _x264(output: OutputContainer, incoming: VideoStream, crf: int) -> VideoStream:
    stream = output.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(crf)})
    stream.width, stream.height, stream.pix_fmt = incoming.width, incoming.height, "yuv420p"
    stream.codec_context.thread_type = "AUTO"
    return stream
