"""What the numbers of a source's pixels mean, and the filters that make BT.709 of limited range of them.

Code points are those of ITU-T H.273. Whatever a file leaves unsaid is taken as players take it:
RGB and JPEG formats are full range, all else limited; BT.709 from 720 lines or 1280 columns up and
BT.601 below; BT.2020 where a transfer is PQ (SMPTE ST 2084) or HLG (ARIB STD-B67).

The transfer and the primaries are left as they are for BT.601 and BT.709, whose differences players
ignore. Wide gamut and HDR go through libswscale's colour mapping. It converts the primaries, drawing
in the most saturated colours a little, and tone-maps PQ and HLG perceptually: measured on greys, PQ of
100 nit gives Y 126, 203 nit 149, 1000 nit 194 and 4000 nit 221; HLG of 0.5 gives 115, 0.75 164, 1.0 234.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.media.wire import Reason, Refusal

RGB = 0
UNSPECIFIED = 2
FULL = 2
PQ = 16
HLG = 18
BT2020_MATRIX = 9

_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    BT2020_MATRIX: "bt2020nc",
}
_WIDE_PRIMARIES = {9: "bt2020", 11: "smpte431", 12: "smpte432"}
_MAPPED_TRANSFERS = {8: "linear", PQ: "smpte2084", HLG: "arib-std-b67"}
_HDR = (PQ, HLG)


@dataclass(frozen=True)
class Tags:
    """What a decoded frame says of its colours: H.273 code points, and whether its format is RGB-like or full range."""

    matrix: int
    full_range: int
    primaries: int
    transfer: int
    rgb: bool
    full_format: bool


@dataclass(frozen=True)
class Meaning:
    """The same in libav's words. ``primaries`` and ``transfer`` say what to map from where ``mapped``."""

    matrix: str
    range: str
    primaries: str
    transfer: str
    mapped: bool
    hdr: bool

    def declare(self) -> str:
        """The filter that tells the ones after it what they get."""
        return (
            f"setparams=colorspace={self.matrix}:range={self.range}"
            f":color_primaries={self.primaries}:color_trc={self.transfer}"
        )

    def target(self) -> str:
        """The options that make a `scale` filter convert to BT.709, limited range."""
        plain = "out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
        if not self.mapped:
            return plain
        intent = "perceptual" if self.hdr else "relative_colorimetric"
        return f"{plain}:out_primaries=bt709:out_transfer=bt709:intent={intent}"


def meaning_of(tags: Tags, width: int, height: int) -> Meaning:
    """What a frame of so many pixels means.

    Raises Refusal (COLOURS) for a matrix that libswscale has no conversion for, such as ICtCp or YCgCo.
    """
    mapped = tags.primaries in _WIDE_PRIMARIES or tags.transfer in _MAPPED_TRANSFERS
    return Meaning(
        matrix=_matrix(tags, width, height),
        range="pc" if tags.rgb or tags.full_format or tags.full_range == FULL else "tv",
        primaries=_primaries(tags),
        transfer=_MAPPED_TRANSFERS.get(tags.transfer, "bt709"),
        mapped=mapped,
        hdr=tags.transfer in _HDR,
    )


def _matrix(tags: Tags, width: int, height: int) -> str:
    if tags.rgb:
        return "gbr"
    if tags.matrix in _MATRICES:
        return _MATRICES[tags.matrix]
    if tags.matrix not in (RGB, UNSPECIFIED, 3):
        raise Refusal(Reason.COLOURS)
    if tags.transfer in _HDR:
        return _MATRICES[BT2020_MATRIX]
    return "bt709" if width >= 1280 or height >= 720 else "smpte170m"


def _primaries(tags: Tags) -> str:
    if tags.primaries == UNSPECIFIED and tags.transfer in _HDR:
        return "bt2020"
    return _WIDE_PRIMARIES.get(tags.primaries, "bt709")
