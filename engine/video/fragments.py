"""A video handed out while it is being made: a fragmented MP4 of the packets that also go into the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from engine.timebase import FRAME_RATE

FragmentSink = Callable[[bytes], None]
"""Takes the pieces in order, each whole: first the init segment (ftyp and moov), then fragments (moof and mdat).

It is called by the thread that writes the frames: while it blocks, no frame is encoded, and what it raises ends
the video.
"""

FRAMES_PER_FRAGMENT = 5

_BOX_HEADER = 8


class FragmentMuxer:
    """Makes a fragmented MP4 of the packets that another container takes too.

    A fragment holds FRAMES_PER_FRAGMENT frames and the sound beside them, the last one fewer, so that with a
    keyframe every second every fifth fragment begins with one. It is handed out when the next frame's packet
    comes. Only packets since the last fragment are kept; so picture and sound should come side by side, because
    the first fragment waits for both.
    """

    def __init__(self, source: OutputContainer, sink: FragmentSink, interleave_delta: int) -> None:
        """Begin a second stream like ``source``'s, which has all its streams but no packet yet.

        ``interleave_delta`` is in microseconds, as libav's max_interleave_delta.
        """
        # The encoders' parameter sets exist, and can be copied, once they are open.
        source.start_encoding()
        self._sink = sink
        self._boxes = _BoxCollector()
        self._container = av.open(
            self._boxes, "w", format="mp4", container_options=_options(max_interleave_delta=interleave_delta)
        )
        self._container.metadata.update(source.metadata)
        for stream in source.streams:
            self._container.add_stream_from_template(stream)

    def mux(self, packet: Packet[Any]) -> None:
        """Add a packet of the source's; a fragment that it completes is handed out. Raises what the sink raises."""
        self._container.mux(packet)
        self._hand_out()

    def finish(self) -> None:
        """Hand out what is left. Raises what the sink raises."""
        self._container.close()
        self._hand_out()

    def _hand_out(self) -> None:
        # Outside libav, which would report an error of the sink's as its own.
        for piece in self._boxes.take():
            self._sink(piece)


class _BoxCollector:
    """The file that libav writes to; ``take`` gives out what is complete."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> Iterator[bytes]:
        while end := self._end_of_piece():
            piece = bytes(self._data[:end])
            del self._data[:end]
            yield piece

    def _end_of_piece(self) -> int:
        """Where the first moov or mdat ends, or 0 while it is not all there."""
        at = 0
        while at + _BOX_HEADER <= len(self._data):
            kind = bytes(self._data[at + 4 : at + _BOX_HEADER])
            at += int.from_bytes(self._data[at : at + 4], "big")
            if kind in (b"moov", b"mdat"):
                return at if at <= len(self._data) else 0
        return 0


def _options(max_interleave_delta: int) -> dict[str, str]:
    """The muxer's options.

    delay_moov: the moov waits for the first packets, and so can say in an edit list that sound's first 1,024
    samples are the encoder's run-in; written before them it would leave the picture 23 ms late.
    frag_duration: a fragment a frame, or one a keyframe, would be the alternatives; with the former Chromium's
    MediaSource shows a still, with the latter the first fragment comes after a second.
    skip_trailer: no index of the fragments after the last one.
    """
    return {
        "movflags": "+delay_moov+default_base_moof+skip_trailer",
        "frag_duration": str(FRAMES_PER_FRAGMENT * av.time_base // FRAME_RATE),
        "max_interleave_delta": str(max_interleave_delta),
    }
