"""A picture as libav takes it."""

from __future__ import annotations

from av import VideoFrame

from engine.video.i420 import I420


def av_frame(picture: I420) -> VideoFrame:
    """The picture as a frame that borrows its memory, or a copy where that can't be.

    PyAV takes the height of a buffer for a multiple of four, and would read the chroma of other pictures from two
    lines of luma too early.
    """
    if picture.height % 4:
        return VideoFrame.from_ndarray(picture.packed, "yuv420p")
    return VideoFrame.from_numpy_buffer(picture.packed, "yuv420p")
