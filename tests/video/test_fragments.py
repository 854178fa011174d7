"""A video taken in fragments while it is written: whole, in order, early, and the same as the finished file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.outages import StorageFull
from engine.timebase import PLAYED_PER_FRAME
from engine.video.encode import EncoderSettings, Mp4Writer, Samples
from engine.video.fragments import FRAMES_PER_FRAGMENT
from tests.video.test_encode import HEIGHT, WIDTH, click, fill, heard, open_files, pictures, scene, tone
from tests.video.test_encode import write as write_alone

DEFAULT_BASE_IS_MOOF, BASE_DATA_OFFSET = 0x020000, 0x000001


@dataclass(frozen=True)
class Box:
    kind: str
    content: bytes

    def within(self, *path: str) -> Iterator[Box]:
        """All boxes that ``path`` leads to from here."""
        if not path:
            yield self
            return
        for box in boxes(self.content):
            if box.kind == path[0]:
                yield from box.within(*path[1:])


def boxes(data: bytes) -> Iterator[Box]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert 8 <= size <= len(data) - at
        yield Box(data[at + 4 : at + 8].decode("latin-1"), data[at + 8 : at + size])
        at += size


@dataclass
class Taken:
    """What a sink was given; ``frames`` says how many frames were written when each piece came."""

    pieces: list[bytes] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    written: int = 0

    def __call__(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.frames.append(self.written)

    def save(self, path: Path) -> Path:
        path.write_bytes(b"".join(self.pieces))
        return path


def write(path: Path, frames: int, sound: Samples, settings: EncoderSettings | None = None) -> Taken:
    taken, settings = Taken(), settings or EncoderSettings()
    with Mp4Writer(path, WIDTH, HEIGHT, settings, comment="renderer: preview", fragments=taken) as writer:
        for number in range(frames):
            taken.written = number + 1
            writer.write_frame(scene(number))
            writer.write_sound(sound[number * PLAYED_PER_FRAME : (number + 1) * PLAYED_PER_FRAME])
    return taken


def film(writer: Mp4Writer, frames: int) -> None:
    for number in range(frames):
        writer.write_frame(scene(number))
        writer.write_sound(tone(PLAYED_PER_FRAME))


def times(path: Path) -> list[float | None]:
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0)]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 63, 150])
def test_the_fragments_together_play_as_the_file_does(tmp_path: Path, count: int) -> None:
    path = tmp_path / "video.mp4"
    sound = np.random.default_rng(count).normal(0, 3_000, count * PLAYED_PER_FRAME).astype(np.int16)
    joined = write(path, count, sound).save(tmp_path / "joined.mp4")
    assert times(joined) == times(path) == [number / 25 for number in range(count)]
    assert all(np.array_equal(one, other) for one, other in zip(pictures(joined), pictures(path), strict=True))
    in_file, in_fragments = heard(path), heard(joined)
    # A file of fragments cannot say where its last packet's sound ends.
    assert 0 <= len(in_fragments) - len(in_file) < 1_024
    assert np.array_equal(in_fragments[: len(in_file)], in_file)


def test_the_file_is_the_same_with_fragments_and_without(tmp_path: Path) -> None:
    path, alone = tmp_path / "video.mp4", tmp_path / "alone.mp4"
    write(path, 40, tone(76_800))
    write_alone(alone, 40, tone(76_800))
    assert path.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("at", [0, 1, 5_000, 95_999])
def test_a_click_is_heard_when_it_was_written(tmp_path: Path, at: int) -> None:
    joined = write(tmp_path / "video.mp4", 50, click(96_000, at)).save(tmp_path / "joined.mp4")
    assert abs(int(np.argmax(np.abs(heard(joined)))) - at) <= 4


def test_first_comes_the_init_segment_and_then_whole_fragments(tmp_path: Path) -> None:
    init, *fragments = write(tmp_path / "video.mp4", 63, tone(120_960)).pieces
    assert [box.kind for box in boxes(init)] == ["ftyp", "moov"]
    assert all([box.kind for box in boxes(piece)] == ["moof", "mdat"] for piece in fragments)
    moov = next(box for box in boxes(init) if box.kind == "moov")
    assert len(list(moov.within("mvex", "trex"))) == 2
    for sizes in moov.within("trak", "mdia", "minf", "stbl", "stsz"):
        assert int.from_bytes(sizes.content[8:12], "big") == 0


def test_a_silent_videos_fragments_play_as_the_file_does(tmp_path: Path) -> None:
    path, taken = tmp_path / "video.mp4", Taken()
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), fragments=taken, silent=True) as writer:
        for number in range(63):
            taken.written = number + 1
            writer.write_frame(scene(number))
    init, *fragments = taken.pieces
    assert [len(list(box.within("trak"))) for box in boxes(init) if box.kind == "moov"] == [1]
    assert len(fragments) == 13
    assert taken.frames[1] <= FRAMES_PER_FRAGMENT + 2
    joined = taken.save(tmp_path / "joined.mp4")
    assert times(joined) == times(path) == [number / 25 for number in range(63)]
    assert all(np.array_equal(one, other) for one, other in zip(pictures(joined), pictures(path), strict=True))


def test_a_fragment_says_where_its_data_lies_without_the_file_around_it(tmp_path: Path) -> None:
    _, *fragments = write(tmp_path / "video.mp4", 30, tone(57_600)).pieces
    for number, piece in enumerate(fragments, 1):
        moof = next(boxes(piece))
        headers = [int.from_bytes(box.content[:4], "big") for box in moof.within("traf", "tfhd")]
        assert len(headers) == 2
        assert all(flags & DEFAULT_BASE_IS_MOOF and not flags & BASE_DATA_OFFSET for flags in headers)
        assert [int.from_bytes(box.content[4:8], "big") for box in moof.within("mfhd")] == [number]


def test_a_fragment_holds_five_frames_and_every_fifth_begins_with_a_keyframe(tmp_path: Path) -> None:
    init, *fragments = write(tmp_path / "video.mp4", 63, tone(120_960)).pieces
    shown = 0
    for number, piece in enumerate(fragments):
        with av.open(io.BytesIO(init + piece), "r") as file:
            packets = [packet for packet in file.demux(video=0) if packet.size]
        starts = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
        assert starts == [Fraction(shown + at, 25) for at in range(len(packets))]
        assert packets[0].is_keyframe == (number % 5 == 0)
        assert len(packets) == FRAMES_PER_FRAGMENT or piece is fragments[-1]
        shown += len(packets)
    assert shown == 63


def test_sound_lies_in_the_fragment_of_its_picture(tmp_path: Path) -> None:
    init, *fragments = write(tmp_path / "video.mp4", 75, tone(144_000)).pieces
    for number, piece in enumerate(fragments):
        with av.open(io.BytesIO(init + piece), "r") as file:
            starts = [packet.pts * packet.time_base for packet in file.demux(audio=0) if packet.pts is not None]
        assert abs(starts[0] - Fraction(number, 5)) < 0.03
        assert abs(starts[-1] - Fraction(number + 1, 5)) < 0.05


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fragment_comes_as_soon_as_its_packets_are_there(tmp_path: Path, threads: int) -> None:
    """Nothing piles up: a fragment waits for the next one's first frame, the threads and the sound's encoder."""
    taken = write(tmp_path / "video.mp4", 60, tone(115_200), EncoderSettings(threads=threads))
    assert taken.frames[0] == taken.frames[1]
    late = [came - FRAMES_PER_FRAGMENT * number for number, came in enumerate(taken.frames[1:-1], 1)]
    assert len(late) >= 10
    assert set(late) <= {2, 3}


def test_colours_are_tagged_and_the_comment_is_there(tmp_path: Path) -> None:
    taken = write(tmp_path / "video.mp4", 10, tone(19_200))
    assert b"colrnclx\x00\x01\x00\x01\x00\x01\x00" in taken.pieces[0]
    with av.open(str(taken.save(tmp_path / "joined.mp4"))) as file:
        assert file.metadata["comment"] == "renderer: preview"
        frame = next(file.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
        sound = file.streams.audio[0].codec_context
        assert (sound.name, sound.sample_rate, sound.channels) == ("aac", 48_000, 1)


def test_sound_that_is_missing_is_filled_up_with_silence(tmp_path: Path) -> None:
    joined = write(tmp_path / "video.mp4", 50, tone(2_000)).save(tmp_path / "joined.mp4")
    sound = heard(joined)
    assert len(pictures(joined)) == 50
    assert len(sound) >= 96_000
    assert np.abs(sound[5_000:]).max() < 0.001


@pytest.mark.parametrize("piece", [1, 2, 4, 8])
def test_what_the_sink_raises_ends_the_video(tmp_path: Path, piece: int) -> None:
    """The last one is raised while the writer closes."""
    path, taken = tmp_path / "video.mp4", Taken()

    def sink(data: bytes) -> None:
        taken(data)
        if len(taken.pieces) == piece:
            raise ConnectionResetError("the viewer is gone")

    writer = Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), fragments=sink)
    with pytest.raises(ConnectionResetError, match="viewer"), writer:
        film(writer, 33)
    assert not path.exists()
    with pytest.raises(ValueError, match="discarded"):
        writer.write_frame(scene(0))
    del writer
    assert len(taken.pieces) == piece


def test_giving_up_in_the_middle_leaves_no_file_and_hands_out_nothing_more(tmp_path: Path) -> None:
    path, taken, before = tmp_path / "video.mp4", Taken(), open_files()
    writer = Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), fragments=taken)
    film(writer, 20)
    given = len(taken.pieces)
    writer.abort()
    del writer
    assert not path.exists()
    assert len(taken.pieces) == given == 4
    assert open_files() == before


def test_a_full_disk_is_said_and_nothing_is_left(full_disk: Path) -> None:
    before, taken = open_files(), Taken()
    writer = Mp4Writer(full_disk, WIDTH, HEIGHT, EncoderSettings(), fragments=taken)
    with pytest.raises(StorageFull), writer:
        fill(writer, 200)
    assert not full_disk.is_symlink()
    assert open_files() == before
