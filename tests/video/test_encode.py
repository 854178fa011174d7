"""Files written, then opened again: what a player would find in them."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from engine.outages import StorageFull
from engine.timebase import PLAYED_PER_FRAME
from engine.video.encode import EncoderSettings, Mp3Writer, Mp4Writer, Samples
from engine.video.i420 import I420

WIDTH, HEIGHT = 96, 64


def scene(number: int, width: int = WIDTH, height: int = HEIGHT) -> I420:
    """A soft ramp with a bright bar that moves two pixels a frame."""
    picture = I420.blank(width, height)
    picture.y[:] = np.linspace(40, 180, width).astype(np.uint8)
    at = 2 * number % (width - 8)
    picture.y[:, at : at + 8] = 220
    picture.u[:] = 100
    picture.v[:] = np.linspace(90, 170, height // 2).astype(np.uint8)[:, np.newaxis]
    return picture


def tone(samples: int) -> Samples:
    return (6000 * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48_000)).astype(np.int16)


def click(samples: int, at: int) -> Samples:
    sound = np.zeros(samples, np.int16)
    sound[at] = 24_000
    return sound


def write(path: Path, frames: int, sound: Samples, settings: EncoderSettings | None = None) -> Path:
    with Mp4Writer(path, WIDTH, HEIGHT, settings or EncoderSettings(), comment="renderer: preview") as writer:
        for number in range(frames):
            writer.write_frame(scene(number))
            writer.write_sound(sound[number * PLAYED_PER_FRAME : (number + 1) * PLAYED_PER_FRAME])
    return path


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="yuv420p") for frame in file.decode(video=0)]


def heard(path: Path) -> np.ndarray:
    """The sound as it plays: from time 0 on."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    assert frames[0].time == pytest.approx(0, abs=1e-6) or path.suffix == ".mp3"
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def boxes(path: Path) -> list[str]:
    """The names of the file's outermost MP4 boxes, in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def length(stream: VideoStream | AudioStream) -> Fraction:
    """The seconds that a stream says it plays."""
    assert stream.duration is not None
    assert stream.time_base is not None
    return stream.duration * stream.time_base


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def fill(writer: Mp4Writer, frames: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
    for _ in range(frames):
        writer.write_frame(I420(noise))


@pytest.mark.parametrize("samples", [1, 1_920, 48_000, 159_984, 160_001])
def test_every_frame_is_there_at_its_time_and_sound_ends_with_the_picture(tmp_path: Path, samples: int) -> None:
    count = -(-samples // PLAYED_PER_FRAME)
    path = write(tmp_path / "video.mp4", count, tone(samples))
    with av.open(str(path)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.frames, video.average_rate) == (count, Fraction(25))
        assert length(video) == length(audio) == Fraction(count, 25)
        assert file.duration == count * 40_000
        times = [frame.time for frame in file.decode(video)]
    assert times == [number / 25 for number in range(count)]


def test_the_index_lies_before_the_data(tmp_path: Path) -> None:
    names = boxes(write(tmp_path / "video.mp4", 5, tone(9600)))
    assert names.index("moov") < names.index("mdat")


def test_colours_are_tagged_and_the_comment_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", 2, tone(3840))
    with av.open(str(path)) as file:
        assert file.metadata["comment"] == "renderer: preview"
        stream = file.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt, codec.has_b_frames) == ("h264", "yuv420p", False)
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
        frame = next(file.decode(stream))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
        sound = file.streams.audio[0].codec_context
        assert (sound.name, sound.sample_rate, sound.channels) == ("aac", 48_000, 1)
    # The container repeats the tags: primaries, transfer, matrix, then the bit for full range.
    assert b"colrnclx\x00\x01\x00\x01\x00\x01\x00" in path.read_bytes()


def test_a_keyframe_comes_every_second_even_where_the_scene_changes(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings()) as writer:
        for number in range(80):
            picture = scene(number)
            if number // 7 % 2:
                picture.y[:] = 255 - picture.y
            writer.write_frame(picture)
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    assert [at for at, packet in enumerate(packets) if packet.is_keyframe] == [0, 25, 50, 75]
    assert all(packet.pts == packet.dts for packet in packets)


def test_the_picture_is_the_one_that_was_given(tmp_path: Path) -> None:
    shown = pictures(write(tmp_path / "video.mp4", 30, tone(57_600)))
    for number, picture in enumerate(shown):
        error = picture.astype(float) - scene(number).packed
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 38


def test_the_callers_memory_is_free_again_when_a_write_returns(tmp_path: Path) -> None:
    path, picture, sound = tmp_path / "video.mp4", I420.blank(WIDTH, HEIGHT), np.empty(PLAYED_PER_FRAME, np.int16)
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings()) as writer:
        for number in range(20):
            picture.packed[:] = scene(number).packed
            sound[:] = tone(PLAYED_PER_FRAME)
            writer.write_frame(picture)
            writer.write_sound(sound)
            picture.packed[:] = 255
            sound[:] = 0
    apart = write(tmp_path / "apart.mp4", 20, np.tile(tone(PLAYED_PER_FRAME), 20))
    assert all(np.array_equal(one, other) for one, other in zip(pictures(path), pictures(apart), strict=True))
    assert np.array_equal(heard(path), heard(apart))


@pytest.mark.parametrize("at", [0, 1, 5_000, 95_999])
def test_a_click_is_heard_when_it_was_written(tmp_path: Path, at: int) -> None:
    sound = heard(write(tmp_path / "video.mp4", 50, click(96_000, at)))
    assert abs(int(np.argmax(np.abs(sound))) - at) <= 4


def test_sound_that_is_missing_is_filled_up_with_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", 50, tone(2_000))
    with av.open(str(path)) as file:
        assert file.streams.audio[0].duration == 96_000
    sound = heard(path)
    assert np.abs(sound[:2_000]).max() > 0.1
    assert np.abs(sound[5_000:]).max() < 0.001


@pytest.mark.parametrize("sound_first", [True, False])
def test_one_kind_may_come_wholly_before_the_other(tmp_path: Path, sound_first: bool) -> None:
    path, frames = tmp_path / "video.mp4", 25 * 14
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(preset="ultrafast")) as writer:
        if sound_first:
            writer.write_sound(click(frames * PLAYED_PER_FRAME, 600_000))
        for number in range(frames):
            writer.write_frame(scene(number))
        if not sound_first:
            writer.write_sound(click(frames * PLAYED_PER_FRAME, 600_000))
    assert len(pictures(path)) == frames
    assert abs(int(np.argmax(np.abs(heard(path)))) - 600_000) <= 4


def test_what_runs_ahead_is_not_held_for_ever(tmp_path: Path) -> None:
    """A minute of noise as sound, and no picture yet: all but the last seconds are in the file already."""
    path = tmp_path / "video.mp4"
    noise = np.random.default_rng(0).normal(0, 3_000, 48_000).astype(np.int16)
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(preset="ultrafast")) as writer:
        for _ in range(60):
            writer.write_sound(noise)
        assert path.stat().st_size > 40 * 96_000 / 8
        for number in range(60 * 25):
            writer.write_frame(scene(number % 25))
    with av.open(str(path)) as file:
        assert (file.streams.video[0].frames, file.duration) == (1_500, 60_000_000)


def test_picture_and_sound_lie_close_together_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", 100, tone(192_000))
    with av.open(str(path)) as file:
        times = [packet.dts * packet.time_base for packet in file.demux() if packet.dts is not None]
    assert max(before - after for before, after in pairwise(times)) < 0.1


def test_the_picture_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    one = write(tmp_path / "one.mp4", 40, tone(76_800), EncoderSettings(threads=1))
    three = write(tmp_path / "three.mp4", 40, tone(76_800), EncoderSettings(threads=3))
    assert all(np.array_equal(a, b) for a, b in zip(pictures(one), pictures(three), strict=True))


def test_a_smaller_crf_is_a_better_picture(tmp_path: Path) -> None:
    rough = write(tmp_path / "rough.mp4", 10, tone(1), EncoderSettings(crf=35))
    fine = write(tmp_path / "fine.mp4", 10, tone(1), EncoderSettings(crf=15))
    assert fine.stat().st_size > rough.stat().st_size


def test_a_draft_is_small_and_high_quality_is_good() -> None:
    standard = EncoderSettings(threads=3)
    draft, high = standard.at("draft"), standard.at("high")
    assert standard.at("standard") is standard
    assert draft.crf > standard.crf > high.crf
    assert {draft.threads, high.threads} == {3}
    wanted = {name: value for name, value in standard.options().items() if name not in ("crf", "preset")}
    assert all(wanted.items() <= other.options().items() for other in (draft, high))


def test_a_silent_video_has_a_picture_alone(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), silent=True) as writer:
        for number in range(30):
            writer.write_frame(scene(number))
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert file.duration == 30 * 40_000
        assert [frame.time for frame in file.decode(video=0)] == [number / 25 for number in range(30)]


def test_a_silent_video_takes_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(ValueError), Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), silent=True) as writer:
        writer.write_sound(tone(100))
    assert not path.exists()


def test_boxes_may_follow_what_the_muxer_writes(tmp_path: Path) -> None:
    path, plain = tmp_path / "video.mp4", write(tmp_path / "plain.mp4", 5, tone(9600))
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), trailer=b"\0\0\0\x0afreeab") as writer:
        for number in range(5):
            writer.write_frame(scene(number))
    assert boxes(path) == [*boxes(plain), "free"]
    assert len(pictures(path)) == 5


def test_an_error_in_the_block_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(ZeroDivisionError), Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings()) as writer:
        writer.write_frame(scene(1 // 0))
    assert not path.exists()


def test_nothing_can_be_written_after_the_end(tmp_path: Path) -> None:
    writer = Mp4Writer(tmp_path / "video.mp4", WIDTH, HEIGHT, EncoderSettings())
    writer.write_frame(scene(0))
    writer.close()
    writer.abort()
    with pytest.raises(ValueError, match="finished"):
        writer.write_frame(scene(1))
    assert len(pictures(tmp_path / "video.mp4")) == 1


@pytest.mark.parametrize(
    ("frames", "samples"), [pytest.param(0, 0, id="no frame"), pytest.param(1, 1_921, id="sound after the picture")]
)
def test_a_video_that_cannot_be_is_refused(tmp_path: Path, frames: int, samples: int) -> None:
    writer = Mp4Writer(tmp_path / "video.mp4", WIDTH, HEIGHT, EncoderSettings())
    for number in range(frames):
        writer.write_frame(scene(number))
    writer.write_sound(tone(samples))
    with pytest.raises(ValueError, match="frame"):
        writer.close()
    assert not (tmp_path / "video.mp4").exists()


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    writer = Mp4Writer(tmp_path / "video.mp4", WIDTH, HEIGHT, EncoderSettings())
    with pytest.raises(ValueError, match="size"):
        writer.write_frame(scene(0, WIDTH + 2, HEIGHT))
    assert not (tmp_path / "video.mp4").exists()


def test_sound_of_another_kind_is_refused(tmp_path: Path) -> None:
    writer = Mp3Writer(tmp_path / "sound.mp3")
    with pytest.raises(ValueError, match="int16"):
        writer.write_sound(np.zeros(100, np.float32))
    assert not (tmp_path / "sound.mp3").exists()


@pytest.mark.parametrize("frames", [1, 200])
def test_a_full_disk_is_said_and_nothing_is_left(full_disk: Path, frames: int) -> None:
    before = open_files()
    with pytest.raises(StorageFull), Mp4Writer(full_disk, WIDTH, HEIGHT, EncoderSettings()) as writer:
        fill(writer, frames)
    assert not os.path.lexists(full_disk)
    assert open_files() == before


def test_a_full_disk_is_said_for_the_sound_too(full_disk: Path) -> None:
    with pytest.raises(StorageFull), Mp3Writer(full_disk) as writer:
        writer.write_sound(tone(48_000))
    assert not os.path.lexists(full_disk)


@pytest.mark.parametrize("samples", [1_920, 4_801, 100_000])
def test_the_mp3_plays_exactly_what_was_written(tmp_path: Path, samples: int) -> None:
    path, sound = tmp_path / "sound.mp3", click(samples, samples // 2)
    with Mp3Writer(path) as writer:
        for start in range(0, samples, 7_001):
            writer.write_sound(sound[start : start + 7_001])
    played = heard(path)
    assert len(played) == samples
    assert abs(int(np.argmax(np.abs(played))) - samples // 2) <= 4
    with av.open(str(path)) as file:
        codec = file.streams.audio[0].codec_context
        assert (codec.name, codec.sample_rate, codec.channels) == ("mp3float", 48_000, 1)


def test_an_mp3_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample"), Mp3Writer(tmp_path / "sound.mp3"):
        pass
    assert not (tmp_path / "sound.mp3").exists()


def test_encoding_prints_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.video.test_encode import tone, write;"
        "write(Path(sys.argv[1]), 30, tone(57_600))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "video.mp4")], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
