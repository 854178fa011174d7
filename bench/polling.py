"""Clients that poll a session's status: how long they wait, and what it costs the store.

The server is as it is shipped, in a process of its own, the clients in another, and everything on this machine. Where
the BUCKET_ variables are set the store is that bucket, else a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.passage import text_of
from bench.polled_process import HOST, PolledProcess
from bench.polling_clients import session_of
from bench.table import Table, met
from bench.watching import PREBUFFER, Watching
from bench.workplace import ROOT, Workplace
from builder.default_avatar import build
from engine.records import SessionRecord
from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from engine.timebase import FRAME_RATE

GOAL_MILLISECONDS = 50.0
GOAL_RATE = 500
ENDING_SECONDS = 2.0
"""What the server may take to take the videos down that nobody watches any more."""

REACHED_SHARE = 0.98
"""Of the requests that were due, so many have to have been answered for a rate to count as reached."""


@dataclass(frozen=True)
class Workload:
    """``clients`` poll ``seconds`` long beside two videos of ``width`` x ``height`` that would last ``speech`` seconds,
    and then at each of ``rates``, for ``step`` seconds each, beside nothing."""

    width: int
    height: int
    clients: int
    seconds: float
    speech: float
    rates: tuple[int, ...]
    step: float


FULL = Workload(1280, 720, 200, 20, 60, (500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000), 5)
QUICK = Workload(256, 256, 20, 1, 10, (GOAL_RATE,), 1)


@dataclass(frozen=True)
class Polled:
    """What the clients found. Times in milliseconds from when each request was due.

    cpu: milliseconds of all cores that the server took for an answer, whatever else it did. late: by how much the
    clients themselves were behind when they sent 1 % of their requests. load: the machine's load average after it.
    """

    rate: int
    seconds: float
    answered: int
    failed: int
    median: float
    p99: float
    slowest: float
    late: float
    cpu: float
    requests: Counter[str]
    load: float

    @property
    def is_met(self) -> bool:
        is_reached = self.failed == 0 and self.answered >= REACHED_SHARE * self.rate * self.seconds
        return is_reached and self.p99 < GOAL_MILLISECONDS

    def cells(self) -> tuple[str, ...]:
        return (
            f"{self.answered / self.seconds:.0f}",
            str(self.failed),
            f"{self.median:.1f}",
            f"{self.p99:.1f}",
            f"{self.slowest:.1f}",
            f"{self.late:.1f}",
            f"{self.cpu:.2f}",
            f"{self.load:.1f}",
        )


@dataclass(frozen=True)
class Made:
    """A video that was made meanwhile: frames a second, and how long its viewer's picture stood still."""

    frame_rate: float
    stalled: float


@dataclass(frozen=True)
class Report:
    """``beside``: while the videos were ``made``. ``alone``: at rising rates, until one is too much."""

    workload: Workload
    store: str
    beside: Polled
    made: tuple[Made, ...]
    alone: tuple[Polled, ...]

    @property
    def highest(self) -> int:
        """The highest rate of those tried that was kept to; 0: none."""
        return max((polled.rate for polled in self.alone if polled.is_met), default=0)

    def tables(self) -> tuple[Table, ...]:
        return self._times(), self._stored()

    def _times(self) -> Table:
        kept = all(made.frame_rate >= FRAME_RATE for made in self.made)
        rates = " and ".join(f"{made.frame_rate:.1f}" for made in self.made)
        stalled = " and ".join(f"{1000 * made.stalled:.0f}" for made in self.made)
        size = f"{self.workload.width}x{self.workload.height}"
        return Table(
            title=f"Milliseconds to a status, {self.workload.clients} clients, renderer preview",
            columns=("", "answers/s", "failed", "median", "99 %", "slowest", "clients late", "of a core", "load"),
            rows=(
                (f"{self.beside.rate}/s beside two videos", *self.beside.cells()),
                *((f"{polled.rate}/s alone", *polled.cells()) for polled in self.alone),
            ),
            notes=(
                "From when a request was due to the end of its answer, so that what the clients were late counts; "
                "server and clients share this machine. Clients late: 99 % of the requests left no later than that. "
                "Of a core: the server's own time for one answer, in milliseconds, beside videos with their share.",
                f"Videos of {size} meanwhile: {rates} frames/s; to a viewer with {PREBUFFER * 1000:.0f} ms in hand "
                f"the picture stood still for {stalled} ms. Goal: {FRAME_RATE} frames/s: {met(kept)}.",
                f"Goal: 99 % within {GOAL_MILLISECONDS:.0f} ms at {GOAL_RATE}/s beside them: "
                f"{met(self.beside.is_met)}.",
                f"The highest rate of those tried with 99 % within {GOAL_MILLISECONDS:.0f} ms, beside nothing: "
                f"{self.highest}/s.",
            ),
        )

    def _stored(self) -> Table:
        return Table(
            title=f"Requests to the store for polls, {self.store}",
            columns=("", "polls", "requests", "requests a poll", "requests a second"),
            rows=tuple(
                (
                    f"{polled.rate}/s alone",
                    str(polled.answered),
                    str(polled.requests.total()),
                    f"{polled.requests.total() / max(1, polled.answered):.5f}",
                    f"{polled.requests.total() / polled.seconds:.2f}",
                )
                for polled in self.alone
            ),
            notes=(
                "Each client asks for a session of its own, so that no answer spares another's request: a session's "
                "record is read at most once a second. The reading before each client's first poll is among the "
                "requests, and what the server asks for itself.",
            ),
        )


def measure(workload: Workload = FULL, environment: Mapping[str, str] = os.environ) -> Report:
    """About a minute and a half; less where the machine gives up early."""
    bucket = {name: value for name, value in environment.items() if name.startswith("BUCKET_")}
    with TemporaryDirectory() as name, ExitStack() as stack:
        avatar = Path(name) / "avatars" / "default.mp4"
        build(avatar, workload.width, workload.height)
        place = Workplace(Path(name), avatar).make()
        own = {"CREATE_RATE": "", "STATUS_RATE": "", "MAX_CONCURRENCY": "2", "LOG_FORMAT": "json"}
        server = stack.enter_context(PolledProcess({**place.environment(), **own, **bucket}, Path(name) / "server.log"))
        server.ready_session(session_of(0))
        _copy_session(choose_store(place.settings(), bucket), workload.clients)
        beside, made = _beside_videos(server, workload)
        alone = _rising(server, workload)
        return Report(workload, "in a bucket" if bucket else "in a folder", beside, made, alone)


def _copy_session(store: ObjectStore, clients: int) -> None:
    """Give each client a session like that of the first."""
    found = store.get(f"sessions/{session_of(0)}.json")
    assert found is not None
    record = SessionRecord.model_validate_json(found.body)
    for number in range(1, clients):
        copy = record.model_copy(update={"session_id": session_of(number)})
        store.put(f"sessions/{copy.session_id}.json", copy.model_dump_json().encode(), "application/json")


def _beside_videos(server: PolledProcess, workload: Workload) -> tuple[Polled, tuple[Made, ...]]:
    text = text_of(workload.speech)
    videos = [Watching(HOST, server.port, session_of(0), text) for _ in range(2)]
    try:
        for video in videos:
            video.wait_for_fragment()
        began = time.perf_counter()
        polled = _poll(server, workload.clients, GOAL_RATE, workload.seconds)
        ended = time.perf_counter()
    finally:
        for video in videos:
            video.leave()
    time.sleep(ENDING_SECONDS)
    return polled, tuple(Made(video.frame_rate(began, ended), video.watched(ended).stalled) for video in videos)


def _rising(server: PolledProcess, workload: Workload) -> tuple[Polled, ...]:
    found: list[Polled] = []
    for rate in workload.rates:
        found.append(_poll(server, workload.clients, rate, workload.step))
        if not found[-1].is_met:
            # Once more: on a machine that others use too, a moment of theirs is not the server's limit.
            found[-1] = _poll(server, workload.clients, rate, workload.step)
        if not found[-1].is_met:
            break
    return tuple(found)


def _poll(server: PolledProcess, clients: int, rate: int, seconds: float) -> Polled:
    asked: Sequence[object] = (HOST, server.port, clients, rate, seconds)
    command = [sys.executable, "-m", "bench.polling_clients", *map(str, asked)]
    server.store_requests()
    before = server.cpu_seconds()
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = server.cpu_seconds() - before
    told = json.loads(answer.stdout)
    return Polled(
        rate=rate,
        seconds=seconds,
        answered=told["answered"],
        failed=told["failed"],
        median=told["median"],
        p99=told["p99"],
        slowest=told["slowest"],
        late=told["late_p99"],
        cpu=1000 * taken / max(1, told["answered"]),
        requests=server.store_requests(),
        load=os.getloadavg()[0],
    )
