from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
import skimage.data
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from engine.video.i420 import I420
from engine.video.intra import FrameDamaged, IntraDecoder, IntraIndex, IntraReader, IntraWriter

WIDTH, HEIGHT = 96, 64


def flat(y: int, width: int = WIDTH, height: int = HEIGHT) -> I420:
    picture = I420.blank(width, height)
    picture.y[:], picture.u[:], picture.v[:] = y, 100, 150
    return picture


def detailed(seed: int) -> I420:
    picture = flat(16)
    picture.y[:] = np.random.default_rng(seed).integers(16, 236, (HEIGHT, WIDTH), np.uint8)
    return picture


def photograph() -> I420:
    portrait: Callable[[], NDArray[np.uint8]] = skimage.data.astronaut
    frame = av.VideoFrame.from_ndarray(portrait(), format="rgb24").reformat(format="yuv420p")
    return I420(np.ascontiguousarray(frame.to_ndarray(), np.uint8))


def write(path: Path, pictures: list[I420]) -> IntraIndex:
    with IntraWriter(path, pictures[0].width, pictures[0].height) as writer:
        for picture in pictures:
            writer.write(picture)
        writer.flush()
        return writer.close()


def luma(picture: I420) -> float:
    return float(picture.y.mean())


@pytest.fixture
def levels() -> list[int]:
    return [20 + 10 * i for i in range(12)]


def test_every_frame_comes_back_where_it_was_written_in_any_order(tmp_path: Path, levels: list[int]) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [flat(level) for level in levels])
    assert index.count == len(levels)
    assert index.offsets[-1] == path.stat().st_size
    with IntraReader(path, index) as reader:
        assert (reader.count, reader.size) == (12, (WIDTH, HEIGHT))
        assert [round(luma(picture)) for picture in reader] == levels
        for i in (11, 10, 9, 0, 5, 5, 1, 8):
            assert luma(reader.frame(i)) == pytest.approx(levels[i], abs=0.5)


def test_chroma_comes_back_too(tmp_path: Path) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [flat(80)])
    with IntraReader(path, index) as reader:
        picture = reader.frame(0)
    assert (round(float(picture.u.mean())), round(float(picture.v.mean()))) == (100, 150)


def test_a_byte_range_is_a_frame_of_its_own_with_its_colours_tagged(tmp_path: Path, levels: list[int]) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [flat(level) for level in levels])
    start, end = index.offsets[7:9]
    alone = tmp_path / "one.h264"
    alone.write_bytes(path.read_bytes()[start:end])
    with av.open(str(alone)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 1
    assert frames[0].key_frame
    assert (frames[0].colorspace, frames[0].color_range) == (Colorspace.ITU709, ColorRange.MPEG)


def test_every_frame_of_a_photograph_keeps_47_decibels(tmp_path: Path) -> None:
    picture = photograph()
    path = tmp_path / "frames.h264"
    index = write(path, [picture, picture, picture])
    with IntraReader(path, index) as reader:
        errors = [np.square(frame.y.astype(float) - picture.y).mean() for frame in reader]
    assert 10 * np.log10(255**2 / max(errors)) > 47
    assert path.stat().st_size < 3 * 90_000


def test_two_readers_in_two_threads_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [detailed(seed) for seed in range(20)])
    seen: list[list[bytes]] = []

    def walk() -> None:
        with IntraReader(path, index) as reader:
            seen.append([picture.packed.tobytes() for picture in reader])

    threads = [Thread(target=walk) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[0] == seen[1]


def zeros(packet: bytes) -> bytes:
    return bytes(len(packet))


def second_half_lost(packet: bytes) -> bytes:
    return packet[: len(packet) // 2] + bytes(len(packet) - len(packet) // 2)


def without_headers(packet: bytes) -> bytes:
    return b"\xff" * 64 + packet[64:]


@pytest.mark.parametrize("damage", [zeros, second_half_lost, without_headers])
def test_damaged_bytes_raise_and_leave_the_neighbours_readable(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [detailed(seed) for seed in range(3)])
    data = bytearray(path.read_bytes())
    start, end = index.offsets[1:3]
    with IntraReader(path, index) as reader:
        whole = reader.frame(2).packed
    data[start:end] = damage(bytes(data[start:end]))
    path.write_bytes(data)
    with IntraReader(path, index) as reader:
        reader.frame(0)
        with pytest.raises(FrameDamaged):
            reader.frame(1)
        assert np.array_equal(reader.frame(2).packed, whole)


def test_a_file_that_ends_early_raises(tmp_path: Path) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [detailed(1), detailed(2)])
    path.write_bytes(path.read_bytes()[:-10])
    with IntraReader(path, index) as reader:
        reader.frame(0)
        with pytest.raises(FrameDamaged):
            reader.frame(1)


def test_a_frame_of_another_size_than_the_index_says_raises(tmp_path: Path) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [flat(50)])
    with IntraReader(path, IntraIndex(index.offsets, 64, 64)) as reader, pytest.raises(FrameDamaged):
        reader.frame(0)


def test_no_frame_lies_outside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "frames.h264"
    index = write(path, [flat(50)])
    with IntraReader(path, index) as reader:
        for outside in (-1, 1):
            with pytest.raises(IndexError):
                reader.frame(outside)


def test_the_packets_that_are_handed_out_are_those_of_the_file(tmp_path: Path, levels: list[int]) -> None:
    path = tmp_path / "frames.h264"
    with IntraWriter(path, WIDTH, HEIGHT) as writer:
        packets = [packet for level in levels for packet in writer.write(flat(level))] + writer.flush()
        index = writer.close()
    assert b"".join(packets) == path.read_bytes()
    decoder = IntraDecoder((WIDTH, HEIGHT))
    with IntraReader(path, index) as reader:
        for number in (7, 0, 11):
            assert (decoder.picture(packets[number], number).packed == reader.frame(number).packed).all()


def test_a_packet_that_is_none_is_told_and_the_next_decoded(tmp_path: Path) -> None:
    with IntraWriter(tmp_path / "frames.h264", WIDTH, HEIGHT) as writer:
        packets = [*writer.write(flat(90)), *writer.flush()]
    decoder = IntraDecoder((WIDTH, HEIGHT))
    with pytest.raises(FrameDamaged, match="frame 3"):
        decoder.picture(packets[0][:-20], 3)
    assert luma(decoder.picture(packets[0], 0)) == pytest.approx(90, abs=2)


def test_a_picture_of_another_size_is_not_written(tmp_path: Path) -> None:
    with IntraWriter(tmp_path / "frames.h264", WIDTH, HEIGHT) as writer, pytest.raises(ValueError, match="32x32"):
        writer.write(flat(50, 32, 32))


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 5, 5], [0, 5, 3]])
def test_an_index_holds_rising_offsets_from_zero(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="rising"):
        IntraIndex(np.array(offsets, np.int64), WIDTH, HEIGHT)
