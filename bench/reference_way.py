"""Composition and encoding as MuseTalk's scripts do them (commit 0a89dec), written anew from a description.

For every frame: a deep copy, the whole picture through Pillow and back with its channels turned round twice, a
PNG file. Then libx264 at crf 18 from the PNG files, and a second encoding, at the default crf 23, to add the
sound. The scripts call the ffmpeg program for the last two; here PyAV does them with the program's default
settings, so that both ways use the same libx264. The program would read the PNG files beside the encoder; here
they are read between two frames, several at once.
"""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av import AudioFrame
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream
from PIL import Image

from bench.scene import Scene
from engine.timebase import FRAME_RATE, PLAYED_RATE
from engine.video.encode import Samples
from engine.video.i420 import Box, Bytes

FIRST_CRF, SECOND_CRF = 18, 23


def composed_to_png(scene: Scene, folder: Path) -> None:
    """Every frame with its mouth, as a numbered PNG file in ``folder``."""
    around = _around(scene)
    mask = np.zeros((around.height, around.width), np.uint8)
    left, top = scene.box.left - around.left, scene.box.top - around.top
    mask[top : top + scene.box.height, left : left + scene.box.width] = scene.mask
    for number, (frame, crop) in enumerate(zip(scene.bgr_frames, scene.bgr_crops, strict=True)):
        picture = pasted(deepcopy(frame), crop, scene.box, mask, around)
        cv2.imwrite(str(folder / f"{number:08d}.png"), picture)


def pasted(frame: Bytes, crop: Bytes, box: Box, mask: Bytes, around: Box) -> Bytes:
    """``crop`` over ``frame`` by way of Pillow: pasted into a larger cut-out, and that through the mask."""
    body = Image.fromarray(frame[:, :, ::-1])
    face = body.crop((around.left, around.top, around.right, around.bottom))
    face.paste(Image.fromarray(crop[:, :, ::-1]), (box.left - around.left, box.top - around.top))
    body.paste(face, (around.left, around.top), Image.fromarray(mask).convert("L"))
    return np.asarray(np.array(body)[:, :, ::-1], np.uint8)


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


def _around(scene: Scene) -> Box:
    """The square of one and a half times the box that the scripts cut out."""
    width, height = scene.size
    grown = scene.box.width // 4
    box = scene.box
    return Box(
        max(0, box.left - grown),
        max(0, box.top - grown),
        min(width, box.right + grown),
        min(height, box.bottom + grown),
    )
