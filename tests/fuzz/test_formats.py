"""The walks find the structure of files that FFmpeg wrote."""

from __future__ import annotations

import pytest

from tests.fuzz.formats import ogg
from tests.fuzz.formats.field import Field, Kind, Order
from tests.fuzz.formats.find import fields_of
from tests.fuzz.media_files import PICTURES, SOUNDS, made

TYPES = {
    "plain.mp4": {b"moov", b"trak", b"mvhd", b"tkhd", b"mdhd", b"stsd", b"avc1", b"avcC", b"stsz", b"mdat"},
    "sound.mp4": {b"mp4a", b"esds"},
    "edits.mp4": {b"edts", b"elst", b"ctts"},
    "fragments.mp4": {b"moof", b"traf", b"tfhd", b"trun", b"mvex"},
    "hevc.mp4": {b"hvcC"},
    "edits.mov": {b"elst"},
    "clip.mkv": {b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\xae", b"\xe0", b"\x1f\x43\xb6\x75", b"\xa3"},
    "clip.avi": {b"avih", b"strh", b"strf", b"movi"},
    "turning.png": {b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"},
    "still.jpg": {b"\xdb", b"\xc0", b"\xc4", b"\xda"},
    "still.webp": {b"WEBP", b"VP8L"},
}
SOUND_TYPES = {
    "telephone.wav": {b"fmt ", b"data"},
    "voice.m4a": {b"mp4a", b"esds"},
    "voice.aiff": {b"AIFF", b"COMM", b"SSND"},
    "voice.webm": {b"\xe1"},
    "voice.opus": {b"\x02", b"\x04"},
    "voice.flac": {b"\x00", b"\x81"},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    every = {**PICTURES, **SOUNDS}
    wanted = {name: every[name] for name in TYPES | SOUND_TYPES}
    return made(wanted, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize(("name", "types"), (TYPES | SOUND_TYPES).items())
def test_every_type_is_found_and_every_field_lies_within(files: dict[str, bytes], name: str, types: set[bytes]) -> None:
    data = files[name]
    found = fields_of(data)
    assert types <= {data[each.start : each.start + each.size] for each in found if each.kind is Kind.TYPE}
    assert {each.kind for each in found} == set(Kind)
    assert all(each.start >= 0 and each.start + each.size <= len(data) for each in found)


def test_dimensions_are_among_the_numbers(files: dict[str, bytes]) -> None:
    held = [each.read(files["turning.png"]) for each in fields_of(files["turning.png"]) if each.kind is Kind.NUMBER]
    assert held[:2] == [64, 64]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_walk_ends_where_the_file_does(files: dict[str, bytes], cut: int) -> None:
    for data in files.values():
        assert all(each.start + each.size <= cut for each in fields_of(data[:cut]))


def test_a_number_is_written_as_it_is_read() -> None:
    data = b"\x00\x41\x02\x03\x00"
    big, little, vint = (Field(1, 2, Kind.SIZE, order) for order in (Order.BIG, Order.LITTLE, Order.VINT))
    assert [each.read(data) for each in (big, little, vint)] == [0x4102, 0x0241, 0x0102]
    assert big.written(data, 0x10005) == b"\x00\x00\x05\x03\x00"
    assert little.written(data, 5) == b"\x00\x05\x00\x03\x00"
    assert vint.written(data, 5) == b"\x00\x40\x05\x03\x00"


def test_an_ogg_page_is_sealed_as_ffmpeg_seals_it(files: dict[str, bytes]) -> None:
    data = files["voice.opus"]
    assert ogg.sealed(data) == data
    assert ogg.sealed(data[:22] + bytes(4) + data[26:]) == data
