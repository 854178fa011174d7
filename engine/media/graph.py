"""A chain of libav filters that pictures or sound go through."""

from __future__ import annotations

from collections.abc import Iterator

import av
import av.filter


class Chain:
    """Filters in a row between a source and a sink. One kind of frame goes in, until ``finish``."""

    def __init__(self, source: str, filters: tuple[str, ...], sink: str) -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        nodes = [self._graph.add(*_name_and_arguments(text)) for text in (source, *filters, sink)]
        self._graph.link_nodes(*nodes)
        self._graph.configure()

    def push(self, frame: av.VideoFrame | av.AudioFrame) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Take a frame; give those that are ready."""
        self._graph.push(frame)
        return self._ready()

    def finish(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Give what the filters still hold."""
        self._graph.push(None)
        return self._ready()

    def _ready(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield frame


def picture_source(frame: av.VideoFrame) -> str:
    """The `buffer` that takes frames like this one, times being in units of its own time base."""
    base = frame.time_base or "1/25"
    return (
        f"buffer=video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}"
        f":pixel_aspect=1/1:colorspace={frame.colorspace}:range={frame.color_range}"
    )


def sound_source(frame: av.AudioFrame) -> str:
    """The `abuffer` that takes frames like this one."""
    return (
        f"abuffer=sample_rate={frame.sample_rate}:sample_fmt={frame.format.name}"
        f":time_base=1/{frame.sample_rate}:channel_layout={frame.layout.name}"
    )


def _name_and_arguments(text: str) -> tuple[str, str | None]:
    name, _, arguments = text.partition("=")
    return name, arguments or None
