"""Videos that are watched while they are made: when the first fragment comes, and whether the picture ever stands."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, cast

from bench.counted_requests import CountedRequests, billed
from bench.passage import text_of
from bench.table import Table, met
from bench.timed_voice import TimedVoice, with_voice
from bench.viewer import Arrival, gaps, watch
from bench.workplace import Workplace
from builder.default_avatar import build
from engine.cancel import CancelToken
from engine.engine import Engine, Job
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from engine.timebase import FRAME_RATE
from engine.video.fragments import FRAMES_PER_FRAGMENT

SESSION = "bench"
GOAL_SECONDS = 0.3
PREBUFFERS = (0.0, 0.25, 0.5)


@dataclass(frozen=True)
class Workload:
    """Videos of ``width`` x ``height`` and about ``seconds`` each; ``most_streams`` are tried at once."""

    width: int
    height: int
    seconds: float
    repetitions: int
    most_streams: int


FULL = Workload(512, 512, 8, 5, 16)
QUICK = Workload(512, 512, 2, 1, 2)


@dataclass(frozen=True)
class Stream:
    """One video as it came. first_sample: when the sound's first sample was there, in seconds after the request."""

    first_sample: float
    arrivals: tuple[Arrival, ...]

    @property
    def first_fragment(self) -> float:
        return self.arrivals[0].at

    @property
    def after_sound(self) -> float:
        """Seconds from the first sample to the first fragment."""
        return self.first_fragment - self.first_sample


@dataclass(frozen=True)
class Stored:
    """What a streamed job asked of the store, beside one that isn't streamed: requests, and seconds of video."""

    plain: Counter[str]
    streamed: Counter[str]
    seconds: float

    def table(self) -> Table:
        kinds = sorted(self.plain.keys() | self.streamed.keys())
        minutes = self.seconds / 60
        return Table(
            title="Requests to the store, a minute of video",
            columns=("", *kinds, "together"),
            rows=tuple(
                (
                    name,
                    *(f"{found.get(kind, 0) / minutes:.0f}" for kind in kinds),
                    f"{sum(found.values()) / minutes:.0f}",
                )
                for name, found in (("not streamed", self.plain), ("streamed", self.streamed))
            ),
            notes=(
                f"{self.seconds:.1f} s of video whose sound came as fast as people speak; all of a job's requests "
                "count: its records, outputs and parts. What a relay or a player reads comes on top.",
            ),
        )


@dataclass(frozen=True)
class Report:
    """``fast``: the voice was faster than people. ``paced``: as fast. sustained: streams at once without standing."""

    workload: Workload
    renderer: str
    fast: tuple[Stream, ...]
    paced: tuple[Stream, ...]
    sustained: int
    stored: Stored

    def tables(self) -> tuple[Table, ...]:
        return self._first_fragments(), self._viewers(), self.stored.table()

    def _first_fragments(self) -> Table:
        numbers = tuple(f"run {number}" for number in range(1, len(self.fast) + 1))
        rows = (("the voice as fast as it is", self.fast), ("as fast as people speak", self.paced))
        worst = max(median(stream.after_sound for stream in streams) for _, streams in rows)
        return Table(
            title=f"Milliseconds to the first fragment at {self._size}, renderer {self.renderer}",
            columns=("", *numbers, "median"),
            rows=tuple(
                (f"{name}: from {since}", *_milliseconds([getattr(stream, of) for stream in streams]))
                for name, streams in rows
                for since, of in (("the request", "first_fragment"), ("the first sample", "after_sound"))
            ),
            notes=(
                f"The session is ready; a fragment holds {FRAMES_PER_FRAGMENT} frames with their sound.",
                f"Goal: within {GOAL_SECONDS * 1000:.0f} ms of the first sample: {met(worst <= GOAL_SECONDS)}.",
            ),
        )

    def _viewers(self) -> Table:
        apart = [seconds for stream in self.paced for seconds in gaps(stream.arrivals)]
        cuts = quantiles(apart, n=100)
        watched = [[watch(stream.arrivals, prebuffer) for stream in self.paced] for prebuffer in PREBUFFERS]
        return Table(
            title=f"Watching a video while it is made, at {self._size}, renderer {self.renderer}",
            columns=("prebuffer ms", "starts after ms", "underruns", "stands still ms"),
            rows=tuple(
                (
                    f"{prebuffer * 1000:.0f}",
                    f"{median(each.start for each in seen) * 1000:.0f}",
                    f"{sum(each.underruns for each in seen)}",
                    f"{sum(each.stalled for each in seen) * 1000:.0f}",
                )
                for prebuffer, seen in zip(PREBUFFERS, watched, strict=True)
            ),
            notes=(
                f"{len(self.paced)} videos, one after the other, whose sound came as fast as people speak; "
                "underruns and standing of all of them together.",
                f"Between two fragments: median {cuts[49] * 1000:.0f} ms, 95 % {cuts[94] * 1000:.0f} ms, "
                f"99 % {cuts[98] * 1000:.0f} ms.",
                f"At once and at {FRAME_RATE} frames/s, {PREBUFFERS[-1] * 1000:.0f} ms of prebuffer: "
                f"{self.sustained} streams without an underrun (up to {self.workload.most_streams} were tried).",
            ),
        )

    @property
    def _size(self) -> str:
        return f"{self.workload.width}x{self.workload.height}"


def measure(workload: Workload = FULL) -> Report:
    """About three minutes."""
    with TemporaryDirectory() as folder:
        avatar = Path(folder) / "avatars" / "default.mp4"
        build(avatar, workload.width, workload.height)
        place = Workplace(Path(folder), avatar).make()
        store = CountedRequests(LocalStore(place.settings().store_dir))
        engine = Engine.open(place.settings(), cast(ObjectStore, store))
        engine.warm()
        _run(engine, Job("create", {"action": "create_session", "session_id": SESSION}))
        text = text_of(workload.seconds)
        streamed(engine, text, paced=False)
        fast = tuple(streamed(engine, text, paced=False) for _ in range(workload.repetitions))
        paced = tuple(streamed(engine, text, paced=True) for _ in range(workload.repetitions))
        sustained = _sustained(engine, text, workload.most_streams)
        return Report(workload, engine.renderer.name, fast, paced, sustained, _stored(engine, store, text))


def streamed(engine: Engine, text: str, *, paced: bool) -> Stream:
    """One video of the session, as it comes to a caller in this process."""
    voice = TimedVoice(engine.generation.sounds.voice, paced)
    came: list[float] = []

    def sink(piece: bytes) -> None:
        if piece[4:8] == b"moof":
            came.append(time.perf_counter())

    began = time.perf_counter()
    reply = _run(with_voice(engine, voice), Job(_name(), {"session_id": SESSION, "text": text}, fragments=sink))
    last = reply["frames"] - (len(came) - 1) * FRAMES_PER_FRAGMENT
    lengths = [FRAMES_PER_FRAGMENT] * (len(came) - 1) + [last]
    arrivals = (Arrival(at - began, frames / FRAME_RATE) for at, frames in zip(came, lengths, strict=True))
    return Stream(voice.first_sample - began, tuple(arrivals))


def _sustained(engine: Engine, text: str, most: int) -> int:
    """The most streams at once of which none stands still."""
    held = 0
    for count in range(1, most + 1):
        with ThreadPoolExecutor(count) as pool:
            streams = list(pool.map(lambda _: streamed(engine, text, paced=True), range(count)))
        if any(watch(stream.arrivals, PREBUFFERS[-1]).underruns for stream in streams):
            break
        held = count
    return held


def _stored(engine: Engine, store: CountedRequests, text: str) -> Stored:
    paced = with_voice(engine, TimedVoice(engine.generation.sounds.voice, paced=True))
    counts = []
    for asked in ({}, {"stream": True}):
        store.since_last()
        reply = _run(paced, Job(_name(), {"session_id": SESSION, "text": text, **asked}))
        counts.append(billed(store.since_last()))
    return Stored(counts[0], counts[1], reply["duration"])


def _run(engine: Engine, job: Job) -> dict[str, Any]:
    return engine.run(job, lambda _: None, CancelToken())


def _name() -> str:
    return f"job-{uuid.uuid4()}"


def _milliseconds(seconds: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{value * 1000:.0f}" for value in (*seconds, median(seconds)))
