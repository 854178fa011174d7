"""A video smaller than its avatar: pictures scaled down, plane by plane, on their way to the encoder."""

from __future__ import annotations

from dataclasses import dataclass

import av
import av.filter
import numpy as np

from engine.video.av_frame import av_frame
from engine.video.i420 import I420

_SMALLEST = 2


@dataclass(frozen=True)
class Size:
    """Pixels, both even."""

    width: int
    height: int

    def scaled_to(self, height: int | None) -> Size:
        """This size at an even ``height``, in the same proportions to the nearest even width; never a larger one."""
        if height is None or height >= self.height:
            return self
        return Size(max(_SMALLEST, 2 * round(self.width * height / self.height / 2)), height)


class Scaler:
    """Scales pictures of one size to another, by one thread at a time.

    Luma and chroma are scaled apart and nothing is converted, so BT.709 in limited range stays what it is. A chroma
    sample sits beside the left one of its two luma columns and between its two rows, as H.264 has it where nothing else
    is said (ITU-T H.264, figure E-1, type 0): scaled about its middle instead, colour would slip to the right. The
    filter is the one that avatars are brought to their size with.
    """

    def __init__(self, source: Size, target: Size) -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        pictures = f"video_size={source.width}x{source.height}:pix_fmt=yuv420p:time_base=1/25:pixel_aspect=1/1"
        scaling = f"w={target.width}:h={target.height}:flags=bicubic+accurate_rnd"
        places = "in_chroma_loc=left:out_chroma_loc=left"
        self._graph.link_nodes(
            self._graph.add("buffer", pictures),
            self._graph.add("scale", f"{scaling}:{places}"),
            self._graph.add("buffersink"),
        )
        self._graph.configure()

    def scaled(self, picture: I420) -> I420:
        """The picture at the target's size."""
        self._graph.push(av_frame(picture))
        frame = self._graph.pull()
        assert isinstance(frame, av.VideoFrame)
        return I420(np.asarray(frame.to_ndarray(), np.uint8))
