"""Sound and a prepared avatar in, a video out: stages joined by bounded queues.

    pieces of sound -> beats (a frame's sound and its feature) -> shots in the frame loop -> pictures -> encoders

Each arrow is a queue of a fixed length, so memory does not grow with the length of the speech. The frame loop is
shared by all jobs of the worker; the other stages are the job's own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.cancel import CancelToken
from engine.drawing.frame_loop import DrawnFrame, FrameLoop, JobFrames
from engine.lipsync.order import Order
from engine.lipsync.renderer import FaceTrack, Feature, FrameSource, Shot
from engine.provenance.xmp import xmp_box
from engine.speech.resample import Downsampler
from engine.speech.voice import Samples, SpeechPiece, Word
from engine.stages import beside
from engine.timebase import FRAME_RATE, PLAYED_PER_FRAME
from engine.video.compose import Alpha, compose
from engine.video.encode import Mp3Writer, Mp4Writer, VideoEncoder
from engine.video.encoder_choice import begin_mp4
from engine.video.fragments import FragmentSink
from engine.video.i420 import I420
from engine.video.scale import Scaler, Size
from engine.video.thumbnail import thumbnail

BEATS_AHEAD = 4 * FRAME_RATE
FRAMES_AHEAD = 8
BATCHES_AHEAD = 3
"""So many of the largest batches one job may have in the loop: one is drawn, one waits behind it, one collects."""
SOUND_AHEAD = FRAME_RATE
"""So many frames may the sound be written before its picture, where it is there. The encoder of sound holds back more
than that of pictures, and a fragment waits for both; and one long stretch costs less than many short ones."""
DRAWING = "drawing"
"""The stage that the frame loop does for the job: its share of the batches, and finishing what they drew."""
ALPHAS_KEPT = 64
"""An avatar has one mask or one a frame: the first is prepared once, and of the others few are held."""

FramesDone = Callable[[int], None]
"""Told how many frames of the video are encoded."""


@dataclass(frozen=True)
class Beat:
    """One frame: what the renderer heard in it, and the sound that is written beside it."""

    number: int
    feature: Feature
    samples: Samples


@dataclass(frozen=True)
class Underway:
    """A shot on its way through the frame loop; ``drawn`` is None where it shows no face and passes unchanged."""

    shot: Shot
    drawn: DrawnFrame | None
    samples: Samples


@dataclass(frozen=True)
class Finished:
    """A frame of the video with its sound."""

    picture: I420
    samples: Samples


@dataclass(frozen=True)
class Encoded:
    """What the encoders were given: a picture as JPEG, how many frames, and the video encoder's name."""

    thumbnail: bytes
    frames: int
    codec: str


@dataclass(frozen=True)
class VideoRequest:
    """What to make and where to put it: ``folder`` exists and is the caller's to remove.

    ``alpha``: one of the track's masks, by its number, made ready for composition. ``fragments`` is given the video
    while it is being made, as a fragmented MP4. ``live``: somebody watches it meanwhile, so that frames are drawn from
    the sound so far. ``silent``: the sound is only drawn from, and neither in the video nor in a file of its own.
    ``height``: the video's, where that is less than the frames'.
    """

    pieces: Generator[SpeechPiece, None, None]
    frames: FrameSource
    track: FaceTrack
    alpha: Callable[[int], Alpha]
    order: Order
    folder: Path
    comment: str
    encoder: VideoEncoder
    fragments: FragmentSink | None = None
    live: bool = False
    silent: bool = False
    height: int | None = None


@dataclass(frozen=True)
class MadeVideo:
    """The files of a finished video; a silent one has no ``audio``.

    size: in pixels. codec: the encoder's name. seconds: how long each stage was busy. device_seconds: the video's share
    of the time that the frame loop's batches took.
    """

    video: Path
    audio: Path | None
    thumbnail: bytes
    size: Size
    frames: int
    codec: str
    words: tuple[Word, ...]
    seconds: dict[str, float]
    device_seconds: float

    @property
    def duration(self) -> float:
        return self.frames / FRAME_RATE


@dataclass
class StageClock:
    """Adds up how long each stage was busy, without the time it waited for another."""

    seconds: dict[str, float] = field(default_factory=dict)
    now: Callable[[], float] = time.perf_counter
    _began: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def busy(self, stage: str) -> Iterator[None]:
        self._began[stage] = self.now()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self.now() - self._began.pop(stage)

    @contextmanager
    def waiting(self, stage: str) -> Iterator[None]:
        """Of the time that the stage is busy, if it is, leave this out."""
        began = self.now()
        try:
            yield
        finally:
            if stage in self._began:
                self._began[stage] += self.now() - began


class FrameSound:
    """Cuts sound of any pieces into what is written beside each frame of a video of at most ``frames``."""

    def __init__(self, frames: int | None) -> None:
        self._kept: Samples = np.empty(0, np.int16)
        self._frames = frames
        self._taken = self._begun = 0

    def append(self, samples: Samples) -> None:
        self._kept = np.concatenate((self._kept, samples))

    def take(self) -> Samples:
        """What is missing to the next frame's end, filled up with silence, and what is there of SOUND_AHEAD beyond.

        Nothing where the sound is that far already.
        """
        self._begun += 1
        least = self._begun * PLAYED_PER_FRAME - self._taken
        if least <= 0:
            return self._kept[:0]
        last = self._begun + SOUND_AHEAD if self._frames is None else min(self._begun + SOUND_AHEAD, self._frames)
        most = last * PLAYED_PER_FRAME - self._taken
        taken, self._kept = self._kept[:most], self._kept[most:]
        taken = np.pad(taken, (0, max(0, least - len(taken))))
        self._taken += len(taken)
        return taken


class Pipeline:
    """Makes one video in the worker's frame loop. ``now``: seconds of a clock that never runs backwards."""

    def __init__(
        self,
        request: VideoRequest,
        loop: FrameLoop,
        cancel: CancelToken,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._request = request
        self._loop = loop
        self._cancel = cancel
        self._clock = StageClock(now=now)
        self._words: list[Word] = []
        self._alpha = lru_cache(ALPHAS_KEPT)(request.alpha)
        own = Size(*request.frames.size)
        self._size = own.scaled_to(request.height)
        self._scaler = None if self._size == own else Scaler(own, self._size)
        self._place: JobFrames | None = None

    @property
    def device_seconds(self) -> float:
        """The video's share of the device's time so far, also of one that was given up."""
        return 0.0 if self._place is None else self._place.device_seconds

    def run(self, done: FramesDone) -> MadeVideo:
        """Make the video's files; ``done`` is told after every frame.

        Raises what a stage raises, and Cancelled; the files are then gone or half made, and nothing runs on.
        """
        video = self._request.folder / "video.mp4"
        audio = None if self._request.silent else self._request.folder / "audio.mp3"
        with ExitStack() as stack:
            beats = stack.enter_context(beside(self._beats(), BEATS_AHEAD, "listening"))
            place = self._place = stack.enter_context(self._loop.job())
            ahead = BATCHES_AHEAD * self._loop.batch_sizes[-1]
            underway = stack.enter_context(beside(self._shots(beats, place), ahead, "reading"))
            finished = stack.enter_context(beside(self._finished(underway), FRAMES_AHEAD, "composing"))
            made = self._encode(finished, video, audio, done)
        duration = made.frames / FRAME_RATE
        words = tuple(
            Word(word.text, word.start, min(word.end, duration)) for word in self._words if word.start < duration
        )
        seconds = {**self._clock.seconds, DRAWING: self._clock.seconds.get(DRAWING, 0.0) + place.device_seconds}
        return MadeVideo(
            video, audio, made.thumbnail, self._size, made.frames, made.codec, words, seconds, place.device_seconds
        )

    def _beats(self) -> Generator[Beat, None, None]:
        sound = FrameSound(self._request.order.limit)
        numbers = itertools.count() if self._request.order.limit is None else range(self._request.order.limit)
        with closing(self._request.pieces):
            for number, feature in zip(numbers, self._features(sound), strict=False):
                yield Beat(number, feature, sound.take())

    def _features(self, sound: FrameSound) -> Generator[Feature, None, None]:
        listener, downsampler = self._loop.listen(live=self._request.live), Downsampler()
        for piece in self._spoken():
            sound.append(piece.samples)
            self._words.extend(piece.words)
            with self._clock.busy("listening"):
                features = listener.push(downsampler.push(piece.samples))
            yield from features
        with self._clock.busy("listening"):
            features = [*listener.push(downsampler.finish()), *listener.finish()]
        yield from features

    def _spoken(self) -> Generator[SpeechPiece, None, None]:
        pieces = self._request.pieces
        while True:
            self._cancel.check()
            with self._clock.busy("speech"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _shots(self, beats: Iterable[Beat], place: JobFrames) -> Generator[Underway, None, None]:
        for beat in beats:
            self._cancel.check()
            index = self._request.order[beat.number]
            with self._clock.busy("reading"):
                frame = self._request.frames.frame(index)
            shot = Shot(frame, index, self._request.track, beat.feature)
            drawn = None if shot.track.box(index) is None else place.draw(shot)
            yield Underway(shot, drawn, beat.samples)

    def _finished(self, underway: Iterable[Underway]) -> Generator[Finished, None, None]:
        for item in underway:
            picture = item.shot.frame if item.drawn is None else self._composed(item.shot, item.drawn)
            yield Finished(self._scaled(picture), item.samples)

    def _scaled(self, picture: I420) -> I420:
        if self._scaler is None:
            return picture
        with self._clock.busy("composing"):
            return self._scaler.scaled(picture)

    def _composed(self, shot: Shot, drawn: DrawnFrame) -> I420:
        finish = drawn.wait(self._cancel)
        with self._clock.busy(DRAWING):
            crop = finish()
        box = shot.track.box(shot.index)
        assert box is not None
        with self._clock.busy("composing"):
            return compose(shot.frame, crop, box, self._alpha(int(shot.track.mask_index[shot.index])))

    def _encode(self, finished: Iterable[Finished], video: Path, audio: Path | None, done: FramesDone) -> Encoded:
        picture, frames = b"", 0
        with self._mp4_writer(video) as mp4, nullcontext() if audio is None else Mp3Writer(audio) as mp3:
            for item in finished:
                self._cancel.check()
                with self._clock.busy("encoding"):
                    mp4.write_frame(item.picture)
                    if mp3 is not None:
                        mp4.write_sound(item.samples)
                        mp3.write_sound(item.samples)
                picture = picture or thumbnail(item.picture)
                frames += 1
                done(frames)
        return Encoded(picture, frames, mp4.encoder.codec)

    def _mp4_writer(self, path: Path) -> Mp4Writer:
        request, size = self._request, self._size
        fragments = None if request.fragments is None else self._hand_out(request.fragments)
        return begin_mp4(
            lambda encoder: Mp4Writer(
                path,
                size.width,
                size.height,
                encoder,
                comment=request.comment,
                fragments=fragments,
                silent=request.silent,
                trailer=xmp_box(),
            ),
            request.encoder,
        )

    def _hand_out(self, sink: FragmentSink) -> FragmentSink:
        """``sink``, whose waits for those who watch or store the video are no encoding."""

        def take(piece: bytes) -> None:
            with self._clock.waiting("encoding"):
                sink(piece)

        return take
