"""Part ``preparing``: what the networks and the CPU do for an avatar, each alone and beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from bench.gpu_figures import leave
from bench.gpu_place import Place
from bench.machine import NO_GPU
from bench.random_weights import RandomWeights
from bench.synthetic_avatar import SyntheticAvatar
from bench.table import Table, met
from engine.drawing.model_thread import ModelThread
from engine.lipsync.face_box import Bounds
from engine.lipsync.face_mask import BlendMask, MaskRules, blend_mask
from engine.lipsync.musetalk_look import Look, MuseTalkEyes, Seen
from engine.stages import abreast, batched, beside
from engine.video.bgr import bgr_of
from engine.video.i420 import I420, Bytes

GOAL_FPS = 100.0
THREADS, AHEAD = 4, 2
"""As the worker's preparer has them."""
LANDMARKS = "landmarks, the mirror image too"
TOGETHER = "all three beside each other"

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """An avatar of ``frames``, prepared by ``eyes`` for a face at ``bounds``."""

    frames: Sequence[I420]
    bounds: Bounds
    size: tuple[int, int]
    eyes: MuseTalkEyes

    def look(self, frame: I420) -> Look:
        return Look.at(bgr_of(frame), self.bounds)

    def see(self, looks: Sequence[Look]) -> list[Seen]:
        return [self.eyes.see(batch) for batch in batched(looks, self.eyes.batch)]

    def mask(self, classes: Bytes) -> BlendMask | None:
        return blend_mask(classes, self.bounds, self.size, MaskRules())

    def at_once(self) -> int:
        """Everything but the landmarks, in stages beside each other as the worker's preparer has them: how many."""
        with (
            beside(abreast(self.frames, self.look, THREADS), self.eyes.batch, "cutting out") as looks,
            beside(self._classes(looks), self.eyes.batch, "seeing") as classes,
            closing(abreast(classes, self.mask, THREADS)) as masks,
        ):
            return sum(1 for _ in masks)

    def _classes(self, looks: Iterable[Look]) -> Generator[Bytes, None, None]:
        for batch in batched(looks, self.eyes.batch):
            yield from self.eyes.see(batch).classes


def measure(place: Place) -> Iterator[Table]:
    avatar = SyntheticAvatar.of(place.amounts.size, place.amounts.prepared)
    face, thread = avatar.face, ModelThread()
    eyes = MuseTalkEyes(RandomWeights.on(place.device, place.configs).networks(place.dtype), thread)
    bounds = Bounds(face.left, face.top, face.right, face.bottom)
    spent = _spent(Work(avatar.frames, bounds, place.amounts.size, eyes))
    thread.close()
    leave(place.shared, "preparing", next(each.seconds for each in spent if each.name == TOGETHER))
    yield _table(place, eyes, spent, None)
    yield _table(place, eyes, spent, _landmarks(place, avatar.bgr_frames))


@dataclass(frozen=True)
class Spent:
    """Seconds a frame."""

    name: str
    seconds: float

    @property
    def row(self) -> tuple[str, ...]:
        return self.name, f"{1000 * self.seconds:.2f}", f"{1 / self.seconds:.1f}"


def _spent(work: Work) -> list[Spent]:
    count = len(work.frames)
    # In vain, so that nothing is loaded within the times.
    work.see([work.look(frame) for frame in work.frames[: work.eyes.batch]])
    looks, cutting = timed(lambda: [work.look(frame) for frame in work.frames])
    seen, seeing = timed(lambda: work.see(looks))
    _, masking = timed(lambda: [work.mask(classes) for each in seen for classes in each.classes])
    _, together = timed(work.at_once)
    return [
        Spent("cutting out, one thread", cutting / count),
        Spent("two encodes and the parser, in batches", seeing / count),
        Spent("masks, one thread", masking / count),
        Spent(TOGETHER, together / count),
    ]


def _landmarks(place: Place, pictures: Sequence[Bytes]) -> Spent | str:
    """Or why they aren't measured."""
    try:
        from bench.landmark_speed import landmark_seconds
    except ModuleNotFoundError as error:
        return f"not measured: {error.name} is not installed"
    device, seconds = landmark_seconds(place, pictures)
    return Spent(f"{LANDMARKS}, on {device}", seconds)


def _table(place: Place, eyes: MuseTalkEyes, spent: Sequence[Spent], landmarks: Spent | str | None) -> Table:
    rows = [each.row for each in spent]
    if landmarks is not None:
        rows.append((LANDMARKS, landmarks, "") if isinstance(landmarks, str) else landmarks.row)
    together = next(each for each in spent if each.name == TOGETHER)
    goal = f"{GOAL_FPS:.0f} frames/s, without the landmarks"
    reached = met(1 / together.seconds >= GOAL_FPS) if place.on_gpu else NO_GPU
    width, height = place.amounts.size
    return Table(
        title=f"Preparing an avatar at {width}x{height}",
        columns=("", "ms a frame", "frames/s"),
        rows=tuple(rows),
        notes=(
            f"{place.amounts.prepared} frames, which lie in memory; random weights, so masks of no face. Batches of "
            f"{eyes.batch}; beside each other as the worker's preparer has them.",
            "Landmarks: the file that was given, or seeded weights of its layout.",
            f"Goal: {goal}: {reached}.",
        ),
    )


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What ``work`` gives, and its seconds; all of its results lie on the host."""
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
