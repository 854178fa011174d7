"""An endpoint under the rule, event by event: its queue, and workers that start, work, idle and end.

All times are seconds from the beginning. The oldest job goes to the worker that has asked longest, and a worker that
asks takes as many as it has room for: so does the stand-in for RunPod's queue. To which of several workers RunPod gives
a job is undocumented, so the other extreme can be modelled too: to the one that asked last.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol

from bench.scaling.measured import MeasuredJob
from bench.scaling.rule import Rule

ROUNDING = 1e-6
"""How much later than at the instant that it names the rule is asked: rounding must not leave a wait too short."""

FULL_PAUSE = 1.0
"""How long RunPod's SDK rests before it looks anew whether a full worker has room (get_jobs in its rp_scale.py)."""


@dataclass(frozen=True)
class Step:
    """One job of a session, asked for ``pause`` seconds after the result of the one before."""

    action: str
    pause: float = 0.0


@dataclass(frozen=True)
class Session:
    """One caller's jobs, one after the other; the first is asked for at ``begins``, after its own pause."""

    begins: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Served:
    """One job. ``asked``, ``taken`` by a worker, ``done``; ``video`` and ``gpu`` are seconds of its own."""

    action: str
    asked: float
    taken: float
    done: float
    video: float
    gpu: float
    worker: int

    @property
    def wait(self) -> float:
        return self.taken - self.asked


@dataclass(frozen=True)
class Life:
    """One worker's: paid from ``started`` to ``ended``, taking jobs from ``ready`` on, at work for ``busy`` of it."""

    worker: int
    started: float
    ready: float
    ended: float
    busy: float


@dataclass(frozen=True)
class Course:
    """All that happened, jobs in the order of their results, workers in that of their ends."""

    served: tuple[Served, ...]
    lives: tuple[Life, ...]


class Times(Protocol):
    """Where the model's times come from."""

    def job(self, action: str, beside: int) -> MeasuredJob:
        """What a job takes on a worker that has ``beside`` others."""

    def cold_start(self) -> float:
        """Seconds from a worker's start to its first asking for a job."""


@dataclass(eq=False)
class _Job:
    session: Session
    place: int
    asked: float
    taken: bool = False


@dataclass(eq=False)
class _Worker:
    """``asks`` where it has room, or ``looks`` soon; it was last ``full``, and ``changed`` to work or rest, then."""

    number: int
    started: float
    ready: float
    jobs: int = 0
    asks: bool = False
    looks: bool = False
    full: float = 0.0
    changed: float = 0.0
    busy: float = 0.0
    ended: bool = False


class ModelledEndpoint:
    """Serves sessions, once: an endpoint at time 0, without workers.

    concurrency: jobs of one worker at a time. packs: a job goes to the worker that asked last. pause: FULL_PAUSE.
    """

    def __init__(
        self, rule: Rule, concurrency: int, times: Times, packs: bool = False, pause: float = FULL_PAUSE
    ) -> None:
        self._rule, self._concurrency, self._times = rule, concurrency, times
        self._packs, self._pause = packs, pause
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._queue: deque[_Job] = deque()
        self._asking: deque[_Worker] = deque()
        self._workers: list[_Worker] = []
        self._starting = 0
        self._numbers = count()
        self._served: list[Served] = []
        self._lives: list[Life] = []

    def serve(self, sessions: Iterable[Session]) -> Course:
        """Until the last result is there and every worker has ended that the rule lets end."""
        for session in sessions:
            self._ask_later(session, 0, session.begins)
        self._scale()
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        for worker in list(self._workers):
            self._end(worker)
        return Course(tuple(self._served), tuple(self._lives))

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happen))

    def _ask_later(self, session: Session, place: int, after: float) -> None:
        if place < len(session.steps):
            self._at(after + session.steps[place].pause, partial(self._ask, session, place))

    def _ask(self, session: Session, place: int) -> None:
        job = _Job(session, place, self._now)
        self._queue.append(job)
        self._hand_out()
        if not job.taken:
            self._at(self._now + self._rule.queue_delay + ROUNDING, partial(self._overdue, job))
            self._scale()

    def _overdue(self, job: _Job) -> None:
        if not job.taken:
            self._scale()

    def _scale(self) -> None:
        # A full endpoint may have a queue of thousands, which the rule need not be shown at every turn.
        if len(self._workers) >= self._rule.most:
            return
        waits = [self._now - job.asked for job in self._queue]
        for _ in range(self._rule.to_start(waits, self._starting, len(self._workers))):
            self._start()

    def _start(self) -> None:
        worker = _Worker(next(self._numbers), self._now, self._now + self._times.cold_start())
        self._workers.append(worker)
        self._starting += 1
        self._at(worker.ready, partial(self._begin, worker))

    def _begin(self, worker: _Worker) -> None:
        self._starting -= 1
        self._let_ask(worker)
        self._hand_out()
        if not worker.jobs:
            self._rest(worker)
        self._scale()

    def _let_ask(self, worker: _Worker) -> None:
        worker.asks = True
        self._asking.append(worker)

    def _let_look(self, worker: _Worker) -> None:
        """A worker that was full looks at the end of one of its pauses."""
        if not worker.asks and not worker.looks:
            worker.looks = True
            pauses = math.ceil((self._now - worker.full) / self._pause) if self._pause else 0
            self._at(max(self._now, worker.full + pauses * self._pause), partial(self._look, worker))

    def _look(self, worker: _Worker) -> None:
        worker.looks = False
        if not worker.ended:
            self._let_ask(worker)
            self._hand_out()

    def _hand_out(self) -> None:
        while self._queue and self._asking:
            worker = self._asking.pop() if self._packs else self._asking.popleft()
            worker.asks = False
            while self._queue and worker.jobs < self._concurrency:
                self._take(worker, self._queue.popleft())
            if worker.jobs < self._concurrency:
                self._let_ask(worker)
            else:
                worker.full = self._now

    def _take(self, worker: _Worker, job: _Job) -> None:
        drawn = self._times.job(job.session.steps[job.place].action, worker.jobs)
        job.taken = True
        if not worker.jobs:
            worker.changed = self._now
        worker.jobs += 1
        self._at(self._now + drawn.service, partial(self._finish, worker, job, self._now, drawn))

    def _finish(self, worker: _Worker, job: _Job, taken: float, drawn: MeasuredJob) -> None:
        self._served.append(Served(drawn.action, job.asked, taken, self._now, drawn.video, drawn.gpu, worker.number))
        self._ask_later(job.session, job.place + 1, self._now)
        worker.jobs -= 1
        if not worker.jobs:
            worker.busy += self._now - worker.changed
            self._rest(worker)
        self._let_look(worker)

    def _rest(self, worker: _Worker) -> None:
        worker.changed = self._now
        self._at(self._now + self._rule.idle + ROUNDING, partial(self._idle, worker, self._now))

    def _idle(self, worker: _Worker, since: float) -> None:
        rested = not worker.jobs and worker.changed == since
        if rested and self._rule.may_end(self._now - since, len(self._workers)):
            self._end(worker)
            self._scale()

    def _end(self, worker: _Worker) -> None:
        worker.ended = True
        self._workers.remove(worker)
        if worker.asks:
            self._asking.remove(worker)
        self._lives.append(Life(worker.number, worker.started, worker.ready, self._now, worker.busy))
