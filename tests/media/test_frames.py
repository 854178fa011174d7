"""What comes out of whole and healthy files: sizes, times, and colours by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from engine.media.limits import MediaLimits
from engine.settings import Settings
from engine.video.i420 import I420
from tests.media.made import HEIGHT, MEDIA_LIMITS, WIDTH, corners, film, flat, gray, middle, planes, read, still

LEVELS = [30 + 5 * number for number in range(40)]
RED_709, GREEN_709, BLUE_709, WHITE = (63, 102, 240), (173, 42, 26), (32, 240, 118), (235, 128, 128)
LOSSLESS = {"qp": "0", "preset": "ultrafast"}


def levels(frames: list[I420]) -> list[int]:
    return [round(float(frame.y.mean())) for frame in frames]


def near(found: tuple[int, int, int], wanted: tuple[int, int, int], within: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= within


def test_limits_come_from_the_settings() -> None:
    settings = Settings(max_avatar_bytes=5, max_avatar_seconds=6, max_avatar_pixels=7, decode_seconds=8)
    limits = MediaLimits.of(settings)
    assert (limits.max_bytes, limits.max_seconds, limits.max_pixels, limits.decode_seconds) == (5, 6, 7, 8)


def test_a_clip_of_25_frames_a_second_comes_frame_by_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(level) for level in LEVELS])
    frames, info = read(path)
    assert levels(frames) == pytest.approx(LEVELS, abs=1)
    assert (info.width, info.height, info.source_width, info.source_height) == (WIDTH, HEIGHT, WIDTH, HEIGHT)
    assert (info.source_rate, info.codec, info.still) == (Fraction(25), "h264", False)
    assert not info.warnings
    assert info.seconds == pytest.approx(1.6)


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(30_000, 1001), Fraction(50), Fraction(60_000, 1001)])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_other_rates_keep_their_length_and_order(tmp_path: Path, rate: Fraction, kind: str) -> None:
    path = film(tmp_path / f"clip.{kind}", [gray(level) for level in LEVELS], rate)
    frames, info = read(path)
    assert abs(len(frames) - 25 * len(LEVELS) / rate) <= 1
    found = levels(frames)
    for output, level in enumerate(found[:-1]):
        source = (level - LEVELS[0]) / 5
        assert -1.3 < source - output * float(rate) / 25 < 0.3
    assert info.source_rate is not None
    assert float(info.source_rate) == pytest.approx(float(rate), rel=0.02)


def test_a_clip_of_variable_rate_is_shown_by_its_timestamps(tmp_path: Path) -> None:
    stamps = [0, 40, 200, 240, 1000]
    path = film(tmp_path / "clip.mkv", [gray(40 + 20 * n) for n in range(5)], 25, stamps=stamps, base=Fraction(1, 1000))
    frames, _ = read(path)
    assert levels(frames)[:25] == pytest.approx([40] + [60] * 4 + [80] + [100] * 19, abs=1)
    assert levels(frames)[25] == pytest.approx(120, abs=1)
    assert len(frames) in (26, 27)


def test_a_clip_that_starts_late_starts_with_its_first_frame(tmp_path: Path) -> None:
    stamps = [5000 + 40 * number for number in range(10)]
    path = film(tmp_path / "clip.mkv", [gray(level) for level in LEVELS[:10]], stamps=stamps, base=Fraction(1, 1000))
    frames, _ = read(path)
    assert levels(frames) == pytest.approx(LEVELS[:10], abs=1)


def test_a_raw_stream_without_timestamps_plays(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.h264", [gray(level) for level in LEVELS[:10]], container="h264")
    frames, info = read(path)
    assert levels(frames) == pytest.approx(LEVELS[:10], abs=1)
    assert not info.still


@pytest.mark.parametrize(
    ("degrees", "size", "red_at"),
    [
        (0, (WIDTH, HEIGHT), (0.25, 0.25)),
        (90, (HEIGHT, WIDTH), (0.25, 0.75)),
        (180, (WIDTH, HEIGHT), (0.75, 0.75)),
        (-90, (HEIGHT, WIDTH), (0.75, 0.25)),
    ],
)
def test_a_turned_clip_is_shown_upright(
    tmp_path: Path, degrees: int, size: tuple[int, int], red_at: tuple[float, float]
) -> None:
    """``degrees`` is counter-clockwise, as a player turns the picture."""
    frame = av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU601")
    path = film(tmp_path / "clip.mp4", [frame] * 2, adjust=lambda stream: stream.set_display_rotation(degrees))
    frames, info = read(path)
    assert (info.width, info.height) == size
    assert (info.source_width, info.source_height) == (WIDTH, HEIGHT)
    assert near(middle(frames[0], *red_at), RED_709)


def test_a_mirrored_clip_is_mirrored_back(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU601")
    path = film(tmp_path / "clip.mp4", [frame] * 2, adjust=lambda stream: stream.set_display_rotation(0, hflip=True))
    frames, _ = read(path)
    assert near(middle(frames[0], 0.75, 0.25), RED_709)
    assert near(middle(frames[0], 0.25, 0.25), GREEN_709)


def _aspect(ratio: Fraction) -> Callable[[av.VideoStream], None]:
    def adjust(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = ratio

    return adjust


@pytest.mark.parametrize(("ratio", "size"), [(Fraction(16, 11), (186, 96)), (Fraction(8, 9), (128, 108))])
def test_pixels_that_are_not_square_become_so(tmp_path: Path, ratio: Fraction, size: tuple[int, int]) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90)] * 2, adjust=_aspect(ratio))
    frames, info = read(path)
    assert (info.width, info.height) == size == (frames[0].width, frames[0].height)


def test_an_odd_side_loses_one_pixel_and_nothing_is_blurred(tmp_path: Path) -> None:
    stripes = flat(0, 0, 0, 131, 99)
    stripes[:, ::2] = 255
    frames, info = read(still(tmp_path / "odd.png", stripes))
    assert (info.width, info.height) == (130, 98)
    assert set(np.unique(frames[0].y)) == {16, 235}


def test_interlaced_fields_are_made_whole(tmp_path: Path) -> None:
    """A bar moves 8 pixels from field to field: woven together, its edge is a comb."""
    woven = []
    for number in range(6):
        frame = gray(16)
        luma = np.full((HEIGHT, frame.planes[0].line_size), 16, np.uint8)
        for field in range(2):
            left = 16 * number + 8 * field
            luma[field::2, left : left + 32] = 235
        frame.planes[0].update(luma.tobytes())
        woven.append(frame)
    options = {**LOSSLESS, "x264-params": "tff=1"}
    frames, _ = read(film(tmp_path / "clip.mkv", woven, options=options))
    combs = [
        int(np.abs(np.diff(frame.y[20:76].astype(int), axis=0)).max(axis=0).astype(bool).sum()) for frame in frames
    ]
    assert len(frames) == 6
    assert max(combs[1:-1]) < 16


@pytest.mark.parametrize(
    ("matrix", "full", "samples"),
    [
        (1, 1, RED_709),
        (6, 1, (81, 90, 240)),
        (5, 1, (81, 90, 240)),
        (1, 2, (54, 99, 255)),
        (6, 2, (76, 85, 255)),
    ],
)
def test_every_matrix_and_range_gives_the_same_red(
    tmp_path: Path, matrix: int, full: int, samples: tuple[int, int, int]
) -> None:
    def tag(stream: av.VideoStream) -> None:
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, full

    path = film(tmp_path / "clip.mp4", [planes(*samples)] * 2, options=LOSSLESS, adjust=tag)
    frames, _ = read(path)
    assert near(middle(frames[0]), RED_709, 2)


def test_small_untagged_video_is_taken_as_601_and_large_as_709(tmp_path: Path) -> None:
    small, _ = read(film(tmp_path / "small.mp4", [planes(81, 90, 240)] * 2, options=LOSSLESS))
    large, _ = read(film(tmp_path / "large.mp4", [planes(*RED_709, 1280, 64)] * 2, options=LOSSLESS))
    assert near(middle(small[0]), RED_709, 2)
    assert near(middle(large[0]), RED_709, 1)


def _hdr(transfer: ColorTrc) -> Callable[[av.VideoStream], None]:
    def adjust(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range = 9, 1
        context.color_primaries, context.color_trc = ColorPrimaries.BT2020, transfer

    return adjust


def pq(nits: float) -> int:
    """A 10-bit luma sample of limited range (SMPTE ST 2084, equation 4.1)."""
    power = float((nits / 10_000) ** (2610 / 16_384))
    level = float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))
    return round(64 + 876 * level)


@pytest.mark.parametrize(
    ("transfer", "samples", "lumas"),
    [
        (ColorTrc.SMPTE2084, [pq(nits) for nits in (0, 10, 100, 203, 1000, 4000)], [16, 62, 126, 149, 194, 221]),
        (ColorTrc.ARIB_STD_B67, [64, 283, 502, 721, 940], [16, 69, 115, 164, 234]),
    ],
)
def test_hdr_is_mapped_to_rising_tones_within_range(
    tmp_path: Path, transfer: ColorTrc, samples: list[int], lumas: list[int]
) -> None:
    bars = planes(64, 512, 512, 192, 96, "yuv420p10le")
    row = np.repeat(np.array(samples, "<u2"), 192 // len(samples) + 1)[:192]
    luma = np.zeros((96, bars.planes[0].line_size // 2), "<u2")
    luma[:, :192] = row
    bars.planes[0].update(luma.tobytes())
    path = film(tmp_path / "clip.mkv", [bars] * 2, options=LOSSLESS, adjust=_hdr(transfer))
    frames, _ = read(path)
    found = [middle(frames[0], (position + 0.5) / len(samples))[0] for position in range(len(samples))]
    assert found == pytest.approx(lumas, abs=3)
    assert abs(int(frames[0].u.mean()) - 128) <= 1


def in_2020(red: float, green: float, blue: float) -> tuple[int, int, int]:
    """The 10-bit samples by which BT.2020 says a linear BT.709 colour (ITU-R BT.2087, BT.2020)."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    linear = to_2020 @ (red, green, blue)
    r, g, b = np.where(linear < 0.018, 4.5 * linear, 1.099 * linear**0.45 - 0.099)
    y = 0.2627 * r + 0.678 * g + 0.0593 * b
    return round(64 + 876 * y), round(512 + 896 * (b - y) / 1.8814), round(512 + 896 * (r - y) / 1.4746)


@pytest.mark.parametrize(
    ("linear", "wanted", "within"),
    [((0.5, 0.5, 0.5), (170, 128, 128), 1), ((0.6, 0.3, 0.18), (143, 107, 156), 2), ((1, 0, 0), RED_709, 20)],
)
def test_wide_gamut_is_brought_into_709(
    tmp_path: Path, linear: tuple[float, float, float], wanted: tuple[int, int, int], within: int
) -> None:
    frame = planes(*in_2020(*linear), WIDTH, HEIGHT, "yuv420p10le")
    path = film(tmp_path / "clip.mkv", [frame] * 2, options=LOSSLESS, adjust=_hdr(ColorTrc.BT2020_10))
    frames, _ = read(path)
    assert near(middle(frames[0]), wanted, within)


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("a.png", "png", None), ("a.jpg", "mjpeg", "yuvj444p"), ("a.webp", "libwebp", "bgra"), ("a.gif", "gif", "rgb8")],
)
def test_a_still_picture_is_one_frame(tmp_path: Path, name: str, codec: str, layout: str | None) -> None:
    frames, info = read(still(tmp_path / name, corners(), codec, layout))
    assert len(frames) == 1
    assert info.still
    assert (info.seconds, info.source_rate) == (0, None)
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    for place, colour in zip(places, (RED_709, GREEN_709, BLUE_709, WHITE), strict=True):
        assert near(middle(frames[0], *place), colour, 4)


def test_transparency_is_flattened_over_black(tmp_path: Path) -> None:
    picture = np.dstack([flat(255, 0, 0), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture[:, : WIDTH // 2, 3] = 0
    frames, _ = read(still(tmp_path / "cut.png", picture))
    assert near(middle(frames[0], 0.2), (16, 128, 128))
    assert near(middle(frames[0], 0.8), RED_709)


def exif_jpeg(path: Path, orientation: int) -> Path:
    jpeg = still(path, corners(), "mjpeg", "yuvj444p").read_bytes()
    tiff = b"MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation, 0, 0]) + bytes(4)
    body = b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:])
    return path


@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [
        (1, (0.25, 0.25)),
        (2, (0.75, 0.25)),
        (3, (0.75, 0.75)),
        (4, (0.25, 0.75)),
        (5, (0.25, 0.25)),
        (6, (0.75, 0.25)),
        (7, (0.75, 0.75)),
        (8, (0.25, 0.75)),
    ],
)
def test_a_photographs_exif_orientation_is_honoured(
    tmp_path: Path, orientation: int, red_at: tuple[float, float]
) -> None:
    frames, info = read(exif_jpeg(tmp_path / "photo.jpg", orientation))
    assert (info.width, info.height) == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    assert near(middle(frames[0], *red_at), RED_709, 4)
    assert near(middle(frames[0], 1 - red_at[0], 1 - red_at[1]), WHITE, 4)


@pytest.mark.parametrize(("name", "codec", "layout"), [("a.gif", "gif", "gray"), ("a.apng", "apng", "rgb24")])
def test_a_moving_picture_is_a_clip(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    pictures = [gray(level).reformat(format=layout) for level in (60, 120, 200)]
    frames, info = read(film(tmp_path / name, pictures, 10, codec=codec, options={}))
    assert not info.still
    assert len(frames) in (7, 8)
    assert levels(frames)[0] < levels(frames)[3] < levels(frames)[-1]


def test_a_size_that_changes_on_the_way_is_brought_back_to_the_first(tmp_path: Path) -> None:
    first = film(tmp_path / "a.ts", [gray(60)] * 5).read_bytes()
    second = film(tmp_path / "b.ts", [gray(120, 160, 120)] * 5).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first + second)
    frames, _ = read(path)
    assert {(frame.width, frame.height) for frame in frames} == {(WIDTH, HEIGHT)}
    assert levels(frames)[0] == pytest.approx(60, abs=1)
    assert levels(frames)[-1] == pytest.approx(120, abs=1)


def test_the_largest_size_that_the_limit_allows_passes(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90, 130, 98)] * 2)
    frames, _ = read(path, replace(MEDIA_LIMITS, max_pixels=130 * 98))
    assert len(frames) == 2
