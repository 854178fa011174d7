"""A short film made by the real encoder, as a file and in the pieces that a stream is made of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from engine.timebase import PLAYED_PER_FRAME
from engine.video.encode import EncoderSettings, Mp4Writer
from tests.video.test_encode import HEIGHT, WIDTH, scene, tone

PLAYER_OPTIONS = {"prefer_x_start": "1", "allowed_extensions": "ALL"}


@dataclass(frozen=True)
class Film:
    """``path`` is the finished MP4; ``pieces`` are the init segment and the fragments of 200 ms."""

    path: Path
    pieces: list[bytes]

    @property
    def whole(self) -> bytes:
        return b"".join(self.pieces)


def film(path: Path, frames: int) -> Film:
    pieces: list[bytes] = []
    sound = tone(frames * PLAYED_PER_FRAME)
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), fragments=pieces.append) as writer:
        for number in range(frames):
            writer.write_frame(scene(number))
            writer.write_sound(sound[number * PLAYED_PER_FRAME : (number + 1) * PLAYED_PER_FRAME])
    return Film(path, pieces)


@dataclass(frozen=True)
class Packets:
    """What a player is given, in order."""

    video: list[bytes]
    audio: list[bytes]


def packets(address: str | os.PathLike[str], first: Callable[[], object] = lambda: None) -> Packets:
    """The packets of a file or playlist. ``first`` is called with the first of them."""
    found = Packets([], [])
    hls = str(address).split("?")[0].endswith(".m3u8")
    with av.open(str(address), options=PLAYER_OPTIONS if hls else {}) as file:
        for packet in file.demux():
            if packet.size:
                if not found.video and not found.audio:
                    first()
                (found.video if packet.stream.type == "video" else found.audio).append(bytes(packet))
    return found


def shown(address: str | os.PathLike[str]) -> list[float | None]:
    """The times of the decoded pictures, in seconds."""
    hls = str(address).split("?")[0].endswith(".m3u8")
    with av.open(str(address), options=PLAYER_OPTIONS if hls else {}) as file:
        return [frame.time for frame in file.decode(video=0)]
