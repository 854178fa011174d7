"""Whether sounds and videos are whole: decoded to their ends."""

from __future__ import annotations

import io

import av
from av.error import FFmpegError


def video_frames(body: bytes) -> int:
    """How many frames come out of it; 0 where it can't be decoded to its end."""
    try:
        with av.open(io.BytesIO(body), "r") as container:
            return sum(1 for _ in container.decode(video=0)) if container.streams.video else 0
    except (FFmpegError, IndexError):
        return 0


def sound_samples(body: bytes) -> int:
    """The same of samples."""
    try:
        with av.open(io.BytesIO(body), "r") as container:
            return sum(frame.samples for frame in container.decode(audio=0)) if container.streams.audio else 0
    except (FFmpegError, IndexError):
        return 0


def is_fragments(body: bytes) -> bool:
    """Whether it is nothing but whole boxes of an MP4 file (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        if size < 8:
            return False
        at += size
    return at == len(body) > 0
