"""Jobs in the worker's frame loop, without a store, a voice or a client: sound in, composed frames out.

Each job's stages run in threads of its own, as the worker's pipeline has them. The avatar's frames lie in memory
instead of being decoded, and the video is encoded only where PyAV is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.synthetic_avatar import SyntheticAvatar, there_and_back
from engine.cancel import CancelToken
from engine.drawing.frame_loop import DrawnFrame, FrameLoop, JobFrames
from engine.lipsync.renderer import Feature, Shot
from engine.stages import beside
from engine.timebase import HEARD_RATE
from engine.video.compose import Alpha, compose
from engine.video.i420 import I420

BATCHES_AHEAD, FRAMES_AHEAD = 2, 8
"""As the worker's pipeline bounds its queues."""

Sound = NDArray[np.float32]
Taker = Callable[[Iterable[I420]], int]
"""Takes a job's composed frames and says how many they were."""


@dataclass(frozen=True)
class JobSource:
    """What every job is made from: the loop, the avatar and the sound."""

    loop: FrameLoop
    avatar: SyntheticAvatar
    sound: Sound


def seconds_of(source: JobSource, takers: Iterable[Taker]) -> float:
    """Run a job for each taker, all at once: seconds until the last has ended. Raises what a job raises."""
    waiting = list(takers)
    began = time.perf_counter()
    with ThreadPoolExecutor(len(waiting)) as jobs:
        for job in [jobs.submit(run_job, source, take) for take in waiting]:
            job.result()
    return time.perf_counter() - began


def run_job(source: JobSource, take: Taker) -> int:
    """Draw the sound's frames and give them to ``take``."""
    ahead = BATCHES_AHEAD * source.loop.batch_sizes[-1]
    with ExitStack() as stack:
        features = stack.enter_context(beside(_features(source), ahead, "listening"))
        place = stack.enter_context(source.loop.job())
        underway = stack.enter_context(beside(_shots(source, features, place), ahead, "reading"))
        composed = stack.enter_context(beside(_composed(source, underway), FRAMES_AHEAD, "composing"))
        return take(composed)


def counted(frames: Iterable[I420]) -> int:
    """A taker that does nothing with the frames."""
    return sum(1 for _ in frames)


def _features(source: JobSource) -> Generator[Feature, None, None]:
    listener = source.loop.listen(live=False)
    for start in range(0, len(source.sound), HEARD_RATE):
        yield from listener.push(source.sound[start : start + HEARD_RATE])
    yield from listener.finish()


def _shots(
    source: JobSource, features: Iterable[Feature], place: JobFrames
) -> Generator[tuple[Shot, DrawnFrame], None, None]:
    frames, track = source.avatar.frames, source.avatar.track
    for index, feature in zip(there_and_back(len(frames)), features, strict=False):
        shot = Shot(frames[index], index, track, feature)
        yield shot, place.draw(shot)


def _composed(source: JobSource, underway: Iterable[tuple[Shot, DrawnFrame]]) -> Generator[I420, None, None]:
    track, cancel = source.avatar.track, CancelToken()
    alpha = Alpha.of(track.masks[0])
    for shot, drawn in underway:
        box = track.box(shot.index)
        assert box is not None
        yield compose(shot.frame, drawn.wait(cancel)(), box, alpha)
