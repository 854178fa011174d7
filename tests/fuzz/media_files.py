"""Small real files of every format that a caller may send, made by FFmpeg's own encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from tests.media.made import film, recording, still, tone

SIDE, FRAMES = 160, 4
QUICK = {"preset": "ultrafast", "crf": "30"}
FRAGMENTED = "+frag_keyframe+empty_moov+default_base_moof"
SPOKEN_SECONDS = 0.3

Make = Callable[[Path], Path]
"""Writes the file and gives its path."""


def portrait(across: int, down: int, shift: int = 0) -> NDArray[np.uint8]:
    """A NASA portrait in the public domain, ``shift`` pixels to the side, in RGB."""
    astronaut: Callable[[], NDArray[np.uint8]] = skimage.data.astronaut
    return cv2.resize(astronaut()[16:208, 128 + shift : 320 + shift], (across, down)).astype(np.uint8)


def video(
    path: Path,
    codec: str = "libx264",
    layout: str = "yuv420p",
    size: tuple[int, int] = (SIDE, SIDE),
    options: Mapping[str, str] = QUICK,
    container: str | None = None,
    rate: int = 25,
    adjust: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """The portrait swaying a little."""
    pictures = [av.VideoFrame.from_ndarray(portrait(*size, number), "rgb24") for number in range(FRAMES)]
    frames = [picture.reformat(format=layout) for picture in pictures]
    base, stamps = Fraction(1, rate), list(range(FRAMES))
    return film(
        path,
        frames,
        rate,
        codec=codec,
        base=base,
        stamps=stamps,
        options=dict(options),
        adjust=adjust,
        container=container,
    )


def with_container_options(path: Path, **options: str) -> Path:
    """The portrait, packed anew by a muxer with these options."""
    plain = video(path.with_name(f"plain-{path.name}"), options={"preset": "veryfast", "crf": "30", "bf": "2"})
    with av.open(str(plain)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()
    return path


def with_sound(path: Path) -> Path:
    """The portrait in H.264 beside a tone in AAC."""
    with av.open(str(path), "w") as container:
        picture, sound = container.add_stream("libx264", 25, dict(QUICK)), container.add_stream("aac", 48_000)
        picture.width, picture.height, picture.pix_fmt = SIDE, SIDE, "yuv420p"
        for number in range(FRAMES):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(portrait(SIDE, SIDE, number), "rgb24")))
        container.mux(picture.encode(None))
        for start in range(0, 8 * 1024, 1024):
            frame = av.AudioFrame.from_ndarray(tone(1.0)[None, start : start + 1024], format="fltp", layout="mono")
            frame.rate, frame.pts = 48_000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def turned(stream: av.VideoStream) -> None:
    """As a telephone held upright films."""
    stream.set_display_rotation(90)


PICTURES: Mapping[str, Make] = {
    "plain.mp4": video,
    "sound.mp4": with_sound,
    "edits.mp4": partial(with_container_options, use_editlist="1"),
    "start.mp4": partial(with_container_options, movflags="+faststart"),
    "fragments.mp4": partial(with_container_options, movflags=FRAGMENTED),
    "turned.mp4": partial(video, adjust=turned),
    "hevc.mp4": partial(video, codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"}),
    "part2.mp4": partial(video, codec="mpeg4", options={}),
    "odd.mp4": partial(video, size=(161, 131), layout="yuv444p"),
    "clip.mov": partial(video, codec="qtrle", layout="rgb24", size=(64, 64), options={}),
    "edits.mov": partial(with_container_options, use_editlist="1"),
    "clip.mkv": video,
    "vp9.webm": partial(video, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "vp8.webm": partial(video, codec="libvpx", options={"deadline": "realtime", "cpu-used": "8"}),
    "clip.avi": partial(video, codec="mpeg4", options={}),
    "odd.avi": partial(video, codec="mjpeg", layout="yuvj420p", size=(131, 97), options={}),
    "clip.ts": partial(video, container="mpegts"),
    "clip.gif": partial(video, codec="gif", layout="rgb8", size=(96, 80), options={}),
    "turning.png": partial(video, codec="apng", layout="rgb24", size=(64, 64), options={}, container="apng"),
    "still.png": lambda path: still(path, portrait(97, 81)),
    "still.jpg": lambda path: still(path, portrait(SIDE, SIDE), "mjpeg", "yuvj420p"),
    "still.webp": lambda path: still(path, portrait(96, 80), "libwebp", "yuv420p"),
}
"""Videos and pictures by the names of their files."""


def spoken(
    path: Path,
    codec: str,
    container: str | None = None,
    rate: int = 48_000,
    channels: int = 1,
    seconds: float = SPOKEN_SECONDS,
) -> Path:
    """A tone; on each further channel another."""
    tones = [tone(seconds, rate, hertz=220 * (channel + 1)) for channel in range(channels)]
    return recording(path, tones, rate, codec, container)


SOUNDS: Mapping[str, Make] = {
    "telephone.wav": partial(spoken, codec="pcm_s16le", rate=8_000),
    "stereo.wav": partial(spoken, codec="pcm_s16le", rate=16_000, channels=2, seconds=0.2),
    "float.wav": partial(spoken, codec="pcm_f32le", rate=8_000),
    "law.wav": partial(spoken, codec="pcm_mulaw", rate=8_000),
    "adpcm.wav": partial(spoken, codec="adpcm_ms", rate=16_000),
    "voice.mp3": partial(spoken, codec="libmp3lame"),
    "stereo.mp3": partial(spoken, codec="libmp3lame", rate=44_100, channels=2),
    "voice.m4a": partial(spoken, codec="aac", container="ipod"),
    "surround.m4a": partial(spoken, codec="aac", container="ipod", channels=6),
    "lossless.m4a": partial(spoken, codec="alac", container="ipod", rate=16_000),
    "voice.aac": partial(spoken, codec="aac", container="adts"),
    "vorbis.ogg": partial(spoken, codec="vorbis", channels=2),
    "voice.opus": partial(spoken, codec="libopus", container="ogg"),
    "flac.ogg": partial(spoken, codec="flac", container="ogg", rate=16_000),
    "voice.flac": partial(spoken, codec="flac", rate=16_000),
    "voice.aiff": partial(spoken, codec="pcm_s16be", rate=8_000),
    "voice.webm": partial(spoken, codec="libopus"),
    "voice.caf": partial(spoken, codec="alac", rate=16_000),
    "voice.wv": partial(spoken, codec="wavpack", rate=16_000),
    "film.mp4": with_sound,
}
"""Sound files by their names; the last holds a picture too."""


def made(files: Mapping[str, Make], folder: Path) -> dict[str, bytes]:
    """Every file's bytes; nothing is left in ``folder``."""
    found: dict[str, bytes] = {}
    for name, make in files.items():
        path = make(folder / name)
        found[name] = path.read_bytes()
        path.unlink()
    return found
