"""From pieces of sound to a video's files, with a renderer that paints how loud it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.cancel import Cancelled, CancelToken
from engine.drawing.frame_loop import FrameLoop
from engine.drawing.model_thread import ModelThread
from engine.errors import AudioUnreadable
from engine.lipsync.order import FrameOrder
from engine.lipsync.renderer import Array, Face, FaceTrack, Finish, Shot
from engine.pipeline import MadeVideo, Pipeline, StageClock, VideoRequest
from engine.schemas import SyncMode
from engine.speech.voice import SpeechPiece, Word
from engine.timebase import HEARD_PER_FRAME, PLAYED_PER_FRAME
from engine.video.compose import Alpha
from engine.video.encode import EncoderSettings
from engine.video.fragments import FragmentSink
from engine.video.i420 import I420
from engine.video.scale import Size

WIDTH, HEIGHT, COUNT = 64, 96, 5
STAGES = {"listening", "reading", "composing"}


class Greys:
    """Five frames, each of one grey: 40, 60, 80..."""

    count = COUNT
    size = (WIDTH, HEIGHT)

    def frame(self, index: int) -> I420:
        picture = I420.blank(WIDTH, HEIGHT)
        picture.packed[:] = 128
        picture.y[:] = 40 + 20 * index
        return picture

    def __iter__(self) -> Iterator[I420]:
        return (self.frame(index) for index in range(self.count))


class LoudnessListener:
    """A frame's feature is its root mean square."""

    def __init__(self) -> None:
        self._heard = np.empty(0, np.float32)

    def push(self, heard: NDArray[np.float32]) -> list[Array]:
        self._heard = np.concatenate((self._heard, heard))
        features = []
        while len(self._heard) >= HEARD_PER_FRAME:
            features.append(np.sqrt(np.mean(self._heard[:HEARD_PER_FRAME] ** 2)))
            self._heard = self._heard[HEARD_PER_FRAME:]
        return features

    def finish(self) -> list[Array]:
        if not len(self._heard):
            return []
        return self.push(np.pad(self._heard, (0, HEARD_PER_FRAME - len(self._heard))))


@dataclass(frozen=True)
class Painting:
    shots: tuple[Shot, ...]

    def wait(self) -> list[Finish]:
        return [partial(painted, shot) for shot in self.shots]


def painted(shot: Shot) -> I420:
    box = shot.track.box(shot.index)
    assert box is not None
    crop = shot.frame.crop(box)
    crop.y[:] = 235 if shot.feature > 0.05 else 16
    return crop


class LoudnessPainter:
    name = "painter"
    batch_sizes = (1, 3)

    def __init__(self) -> None:
        self.live: list[bool] = []

    def listen(self, *, live: bool) -> LoudnessListener:
        self.live.append(live)
        return LoudnessListener()

    def begin(self, shots: Sequence[Shot]) -> Painting:
        return Painting(tuple(shots))

    def relieve(self) -> None:
        pass

    def warm(self) -> None:
        pass


def spoken(pieces: Iterable[SpeechPiece]) -> Generator[SpeechPiece, None, None]:
    yield from pieces


def track(faceless: set[int]) -> FaceTrack:
    boxes = np.tile(np.array([16, 32, 48, 64], np.int32), (COUNT, 1))
    index = np.zeros(COUNT, np.int32)
    for frame in faceless:
        boxes[frame], index[frame] = 0, -1
    return FaceTrack(boxes, index, (np.full((32, 32), 255, np.uint8),), {}, Face(32, 32, 1.0))


def tone(frames: int, amplitude: int) -> NDArray[np.int16]:
    phase = np.arange(frames * PLAYED_PER_FRAME) * 2 * np.pi * 400 / 48_000
    return (np.sin(phase) * amplitude).astype(np.int16)


def make(
    folder: Path,
    pieces: Iterable[SpeechPiece],
    mode: SyncMode = "loop",
    faceless: set[int] | None = None,
    cancel: CancelToken | None = None,
    done: list[int] | None = None,
    fragments: FragmentSink | None = None,
    now: Callable[[], float] = time.perf_counter,
    silent: bool = False,
    height: int | None = None,
) -> MadeVideo:
    face = track(faceless or set())
    request = VideoRequest(
        pieces=pieces if isinstance(pieces, Generator) else spoken(pieces),
        frames=Greys(),
        track=face,
        alpha=lambda which: Alpha.of(face.masks[which]),
        order=FrameOrder(mode, COUNT),
        folder=folder,
        comment="test",
        encoder=EncoderSettings(crf=12),
        fragments=fragments,
        silent=silent,
        height=height,
    )
    with closing(ModelThread()) as thread:
        pipeline = Pipeline(request, FrameLoop(LoudnessPainter(), thread), cancel or CancelToken(), now)
        return pipeline.run((done if done is not None else []).append)


@dataclass(frozen=True)
class Seen:
    """The mean luma inside the box and of a corner, for every decoded frame."""

    inside: list[float]
    corner: list[float]


def look(path: Path) -> Seen:
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="yuv420p") for frame in file.decode(video=0)]
    return Seen(
        [float(frame[36:60, 20:44].mean()) for frame in frames], [float(frame[2:12, 2:12].mean()) for frame in frames]
    )


def test_picture_follows_sound_frame_by_frame(tmp_path: Path) -> None:
    sound = np.concatenate([tone(3, 0), tone(4, 20_000), tone(3, 0), tone(2, 20_000)])
    made = make(tmp_path, [SpeechPiece(sound)])
    assert made.frames == 12
    assert [value > 128 for value in look(made.video).inside] == [False] * 3 + [True] * 4 + [False] * 3 + [True] * 2


def test_pieces_of_any_size_make_the_same_video(tmp_path: Path) -> None:
    sound = np.concatenate([tone(3, 0), tone(4, 20_000), tone(2, 0)])
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = make(tmp_path / "whole", [SpeechPiece(sound)])
    cut = make(tmp_path / "cut", [SpeechPiece(part) for part in np.array_split(sound, 37)])
    assert look(whole.video) == look(cut.video)


def test_the_last_frame_is_there_and_filled_with_silence(tmp_path: Path) -> None:
    made = make(tmp_path, [SpeechPiece(tone(3, 20_000)[: 2 * PLAYED_PER_FRAME + 1])])
    assert made.frames == 3
    assert len(look(made.video).inside) == 3


def test_frames_repeat_in_the_order_asked_for(tmp_path: Path) -> None:
    made = make(tmp_path, [SpeechPiece(tone(7, 20_000))], mode="bounce")
    corners = [round((value - 40) / 20) for value in look(made.video).corner]
    assert corners == [0, 1, 2, 3, 4, 4, 3]


def test_cut_off_ends_with_the_avatar_and_drops_later_words(tmp_path: Path) -> None:
    words = (Word("kept", 0.0, 0.3), Word("dropped", 0.2, 0.4))
    made = make(tmp_path, [SpeechPiece(tone(50, 20_000), words)], mode="cut_off")
    assert made.frames == COUNT
    assert made.words == (Word("kept", 0.0, 0.2),)


def test_a_frame_without_a_face_passes_through(tmp_path: Path) -> None:
    made = make(tmp_path, [SpeechPiece(tone(5, 20_000))], faceless={2})
    inside = look(made.video).inside
    assert abs(inside[2] - 80) < 3
    assert min(inside[:2] + inside[3:]) > 200


def test_every_frame_is_counted_as_it_is_done(tmp_path: Path) -> None:
    done: list[int] = []
    make(tmp_path, [SpeechPiece(tone(6, 0))], done=done)
    assert done == [1, 2, 3, 4, 5, 6]


def test_an_error_in_the_sound_ends_everything(tmp_path: Path) -> None:
    def broken() -> Iterator[SpeechPiece]:
        yield SpeechPiece(tone(30, 0))
        raise AudioUnreadable("broken in the middle")

    with pytest.raises(AudioUnreadable, match="in the middle"):
        make(tmp_path, broken())
    assert not {thread.name for thread in threading.enumerate()} & STAGES
    assert not list(tmp_path.iterdir())


def test_cancel_in_the_middle_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    cancel = CancelToken()

    class CancelAtThree(list[int]):
        def append(self, frame: int) -> None:
            if frame == 3:
                cancel.cancel()

    endless = (SpeechPiece(tone(25, 0)) for _ in iter(int, 1))
    with pytest.raises(Cancelled):
        make(tmp_path, endless, cancel=cancel, done=CancelAtThree())
    assert not {thread.name for thread in threading.enumerate()} & STAGES
    assert not list(tmp_path.iterdir())


def test_stages_say_how_long_they_were_busy(tmp_path: Path) -> None:
    made = make(tmp_path, [SpeechPiece(tone(25, 0))])
    assert {"speech", "listening", "reading", "drawing", "composing", "encoding"} == set(made.seconds)
    assert all(seconds >= 0 for seconds in made.seconds.values())


def test_what_a_stage_waits_for_within_its_work_is_no_work_of_it() -> None:
    moments = iter([10.0, 11.0, 15.0, 16.0, 20.0, 30.0])
    clock = StageClock(now=lambda: next(moments))
    with clock.busy("encoding"), clock.waiting("encoding"):
        pass
    with clock.waiting("encoding"):
        pass
    assert clock.seconds == {"encoding": 2.0}


def test_a_viewer_who_pauses_makes_the_encoding_no_longer(tmp_path: Path) -> None:
    now = 0.0

    def pause(_: bytes) -> None:
        nonlocal now
        now += 60.0

    made = make(tmp_path, [SpeechPiece(tone(25, 0))], fragments=pause, now=lambda: now)
    assert now >= 5 * 60.0
    assert made.seconds["encoding"] == 0.0


def test_the_sound_is_ended_however_the_video_ends(tmp_path: Path) -> None:
    ended: list[str] = []

    def sound() -> Generator[SpeechPiece, None, None]:
        try:
            while True:
                yield SpeechPiece(tone(25, 0))
        finally:
            ended.append("ended")

    make(tmp_path, sound(), mode="cut_off")
    assert ended == ["ended"]


@pytest.mark.parametrize("samples", [1, PLAYED_PER_FRAME - 1, PLAYED_PER_FRAME + 1, 7 * PLAYED_PER_FRAME + 2])
def test_a_sound_of_any_length_has_a_picture_to_its_end(tmp_path: Path, samples: int) -> None:
    made = make(tmp_path, [SpeechPiece(tone(8, 20_000)[:samples])])
    assert made.frames == -(-samples // PLAYED_PER_FRAME)


def test_the_first_fragment_needs_little_more_sound_than_it_holds(tmp_path: Path) -> None:
    came = threading.Event()

    def fragments(piece: bytes) -> None:
        if piece[4:8] == b"moof":
            came.set()

    def sound() -> Generator[SpeechPiece, None, None]:
        yield SpeechPiece(tone(8, 20_000)[: 270 * 48])
        assert came.wait(60), "no fragment came before there was more sound"
        yield SpeechPiece(tone(8, 20_000))

    make(tmp_path, sound(), fragments=fragments)


def test_a_smaller_video_shows_the_same_and_so_does_its_thumbnail(tmp_path: Path) -> None:
    sound = np.concatenate([tone(3, 0), tone(4, 20_000)])
    made = make(tmp_path, [SpeechPiece(sound)], faceless={4}, height=HEIGHT // 2)
    with av.open(str(made.video)) as file:
        frames = [frame.to_ndarray(format="yuv420p") for frame in file.decode(video=0)]
    assert made.size == Size(WIDTH // 2, HEIGHT // 2)
    assert {frame.shape for frame in frames} == {(HEIGHT * 3 // 4, WIDTH // 2)}
    assert [frame[18:30, 10:22].mean() > 200 for frame in frames] == [False] * 3 + [True, False] + [True] * 2
    assert abs(frames[4][20:28, 12:20].mean() - 120) < 3
    thumbnail = cv2.imdecode(np.frombuffer(made.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert thumbnail is not None
    assert thumbnail.shape[:2] == (HEIGHT // 2, WIDTH // 2)


def test_a_silent_video_is_drawn_from_its_sound_without_having_it(tmp_path: Path) -> None:
    made = make(tmp_path, [SpeechPiece(np.concatenate([tone(2, 0), tone(2, 20_000)]))], silent=True)
    assert made.audio is None
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]
    assert [value > 128 for value in look(made.video).inside] == [False, False, True, True]
    with av.open(str(made.video)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
