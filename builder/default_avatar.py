"""Builds the default avatar: a public-domain portrait, given slight natural motion.

The portrait is the Navy's photograph of Grace Hopper that matplotlib's wheel carries among its sample
data. Every motion is a sum of sines with whole periods in the clip, so it loops without a jump.

    python -m builder.default_avatar --out avatars/default.mp4 [--width 1280 --height 720]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from builder.portrait_motion import FRAMES, PortraitMotion
from engine.timebase import FRAME_RATE
from engine.video.i420 import I420, Box, Bytes

WIDTH, HEIGHT = 768, 900
BT709 = 1
"""The number that H.264 and FFmpeg give BT.709 primaries and transfer."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the default avatar's video.")
    parser.add_argument("--out", type=Path, required=True, help="the MP4 file to write")
    parser.add_argument("--width", type=int, default=WIDTH, help="frame width in pixels, even")
    parser.add_argument("--height", type=int, default=HEIGHT, help="frame height in pixels, even")
    wanted = parser.parse_args()
    if wanted.width % 2 or wanted.height % 2 or min(wanted.width, wanted.height) < 64:
        parser.error("width and height must be even and at least 64")
    build(wanted.out, wanted.width, wanted.height)


def build(out: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Write six seconds of the portrait as H.264 in MP4, 25 fps, without sound; the same bytes every time."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.part")
    try:
        _encode(unfinished, moving_portrait(_portrait(), width, height), width, height)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def moving_portrait(portrait: Bytes, width: int, height: int) -> Iterator[I420]:
    """The clip's frames: the portrait (BGR) as large as fits, on a blurred copy of itself where it leaves room."""
    scale = min(width / portrait.shape[1], height / portrait.shape[0])
    inner = (_even(portrait.shape[1] * scale), _even(portrait.shape[0] * scale))
    place = _centred(inner, (width, height))
    still = _i420(_resized(portrait, inner))
    ground = _i420(_ground(portrait, width, height))
    motion = PortraitMotion(*inner)
    edge = _edge(place, width, height)
    for index in range(FRAMES):
        yield _laid_over(ground, motion.frame(still, index), place, edge)


def _portrait() -> Bytes:
    from matplotlib import cbook

    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


def _even(length: float) -> int:
    return 2 * round(length / 2)


def _centred(inner: tuple[int, int], outer: tuple[int, int]) -> Box:
    left, top = (_even((whole - part) / 2 - 0.5) for whole, part in zip(outer, inner, strict=True))
    return Box(left, top, left + inner[0], top + inner[1])


def _resized(picture: Bytes, size: tuple[int, int]) -> Bytes:
    shrinks = size[0] < picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _ground(portrait: Bytes, width: int, height: int) -> Bytes:
    """The portrait enlarged to cover the frame, blurred and a little darker."""
    scale = max(width / portrait.shape[1], height / portrait.shape[0])
    covering = _resized(
        portrait, (max(width, _even(portrait.shape[1] * scale)), max(height, _even(portrait.shape[0] * scale)))
    )
    top, left = (covering.shape[0] - height) // 2, (covering.shape[1] - width) // 2
    part = covering[top : top + height, left : left + width]
    blurred = cv2.GaussianBlur(part, (0, 0), max(width, height) / 32)
    return np.asarray(cv2.convertScaleAbs(blurred, alpha=0.85), np.uint8)


def _i420(picture: Bytes) -> I420:
    converted = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    return I420(np.ascontiguousarray(converted.to_ndarray(), np.uint8))


def _edge(place: Box, width: int, height: int) -> Bytes:
    """How much of the portrait shows, 0-255, at each of its pixels: it fades out at sides short of the frame's edge."""
    fade = max(2, place.width // 24)
    across = _ramp(place.width, fade if place.width < width else 0)
    down = _ramp(place.height, fade if place.height < height else 0)
    return np.round(255 * np.outer(down, across)).astype(np.uint8)


def _ramp(length: int, fade: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not fade:
        return np.ones(length)
    inwards = np.minimum(np.arange(length), np.arange(length)[::-1])
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(inwards / fade, 0, 1)))


def _laid_over(ground: I420, portrait: I420, place: Box, edge: Bytes) -> I420:
    whole = ground.copy()
    _lay(whole.y[place.top : place.bottom, place.left : place.right], portrait.y, edge)
    half = (slice(place.top // 2, place.bottom // 2), slice(place.left // 2, place.right // 2))
    _lay(whole.u[half], portrait.u, edge[::2, ::2])
    _lay(whole.v[half], portrait.v, edge[::2, ::2])
    return whole


def _lay(under: Bytes, over: Bytes, edge: Bytes) -> None:
    share = edge.astype(np.uint16)
    under[:] = (over * share + under * (255 - share) + 127) // 255


def _encode(out: Path, frames: Iterator[I420], width: int, height: int) -> None:
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        # A fixed number of threads: x264's bytes depend on it.
        stream = container.add_stream(
            "libx264", rate=FRAME_RATE, options={"crf": "14", "preset": "fast", "threads": "2"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = context.color_trc = BT709
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture.packed, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
