"""One decoded frame to the picture everybody else works with: upright, square pixels, even sides, BT.709."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from engine.media.colours import Tags, meaning_of
from engine.media.graph import Chain, picture_source
from engine.media.orientation import display_matrix, swaps_sides, turning_filters
from engine.media.wire import Reason, Refusal

SMALLEST_SIDE = 64


@dataclass(frozen=True)
class Look:
    """All that decides how a frame is converted; a frame of another look takes another chain of filters."""

    width: int
    height: int
    format: str
    alpha: bool
    tags: Tags
    rotation: int


@dataclass(frozen=True)
class Size:
    """Pixels, both even."""

    width: int
    height: int


class Normaliser:
    """Converts a clip's frames. The first one decides the size; any later one of another size is scaled to it.

    Transparency is flattened over black.
    """

    def __init__(self, aspect: Fraction, max_pixels: int) -> None:
        self._aspect = aspect
        self._max_pixels = max_pixels
        self._size: Size | None = None
        self._look: Look | None = None
        self._chain: Chain | None = None

    def picture(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as yuv420p.

        Raises Refusal: TOO_SMALL, TOO_LARGE, COLOURS, NOTHING_DECODES when no filter takes its format.
        """
        look = look_of(frame)
        if self._chain is None or look != self._look:
            self._look, self._chain = look, self._chain_for(frame, look)
        for picture in self._chain.push(frame):
            if isinstance(picture, av.VideoFrame):
                return picture
        raise Refusal(Reason.NOTHING_DECODES)

    def _chain_for(self, frame: av.VideoFrame, look: Look) -> Chain:
        if look.width * look.height > self._max_pixels:
            raise Refusal(Reason.TOO_LARGE, look.width * look.height)
        turning = turning_filters(display_matrix(frame))
        size = normalised_size(look, turning, self._aspect)
        self._size = self._size or _within(size, self._max_pixels)
        try:
            return Chain(picture_source(frame), filters_for(look, turning, size, self._size), "buffersink")
        except av.FFmpegError as error:
            raise Refusal(Reason.COLOURS) from error


def look_of(frame: av.VideoFrame) -> Look:
    return Look(
        width=frame.width,
        height=frame.height,
        format=frame.format.name,
        alpha=frame.format.has_palette or any(part.is_alpha for part in frame.format.components),
        tags=_tags(frame),
        # Not the display matrix: PyAV ties a frame to its side data in a ring, and then only the collector frees it.
        rotation=frame.rotation,
    )


def normalised_size(look: Look, turning: tuple[str, ...], aspect: Fraction) -> Size:
    """The size of an upright frame with square pixels; ``aspect`` is a stored pixel's width by its height.

    The smaller side grows and neither shrinks; an odd side loses a pixel.
    """
    width, height = Fraction(look.width), Fraction(look.height)
    if aspect >= 1:
        width *= aspect
    else:
        height /= aspect
    if swaps_sides(turning):
        width, height = height, width
    return Size(round(width) // 2 * 2, round(height) // 2 * 2)


def filters_for(look: Look, turning: tuple[str, ...], own: Size, wanted: Size) -> tuple[str, ...]:
    """The filters from a frame of this look, whose own upright size is ``own``, to a yuv420p picture of ``wanted``."""
    meaning = meaning_of(look.tags, look.width, look.height)
    # Cut where sides differ by the odd pixel alone: scaling would blur the whole picture for it.
    sides = (look.height, look.width) if swaps_sides(turning) else (look.width, look.height)
    odd = (sides[0] // 2 * 2, sides[1] // 2 * 2) == (own.width, own.height) != sides
    return (
        meaning.declare(),
        *(("format=gbrap", "premultiply=inplace=1") if look.alpha else ()),
        *turning,
        *((f"crop=w={own.width}:h={own.height}:x=0:y=0:exact=1",) if odd else ()),
        f"scale=w={wanted.width}:h={wanted.height}:{meaning.target()}",
        "format=pix_fmts=yuv420p",
    )


def _within(size: Size, max_pixels: int) -> Size:
    if min(size.width, size.height) < SMALLEST_SIDE:
        raise Refusal(Reason.TOO_SMALL, min(size.width, size.height))
    if size.width * size.height > max_pixels:
        raise Refusal(Reason.TOO_LARGE, size.width * size.height)
    return size


def _tags(frame: av.VideoFrame) -> Tags:
    name = frame.format.name
    return Tags(
        matrix=frame.colorspace,
        full_range=frame.color_range,
        primaries=frame.color_primaries,
        transfer=frame.color_trc,
        rgb=frame.format.is_rgb or frame.format.has_palette,
        full_format=name.startswith(("yuvj", "gray", "ya", "mono")),
    )
