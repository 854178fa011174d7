"""An endpoint on this machine: real workers against the queue's stand-in, started and ended by the rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.scaling import counting_worker
from bench.scaling.rule import Rule
from bench.workplace import ROOT
from tests.worker.queue_jobs import QueuedJob
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker

LOOK_SECONDS = 0.1
"""How often the rule is asked."""

PROGRAM = Path(counting_worker.__file__)


@dataclass(frozen=True)
class Look:
    """The endpoint at one moment: jobs in the queue, and its workers. ``leaving``: told to, and not gone yet."""

    at: float
    queued: int
    starting: int
    busy: int
    idle: int
    leaving: int


@dataclass(frozen=True)
class Lived:
    """A worker's process, from ``started`` to ``ended``; at ``ready`` it first asked for a job, unless it was told to
    leave before. store_requests: what it asked of the store."""

    started: float
    ready: float | None
    ended: float
    store_requests: int


@dataclass(eq=False)
class _Member:
    """One worker at present. worked: when it last had a job, or was ready for its first."""

    pod: str
    process: Worker
    started: float
    ready: float | None = None
    worked: float = 0.0
    is_leaving: bool = False


class LiveEndpoint:
    """Grows and shrinks while ``serve`` runs. A context: leaving it kills what still runs. Times are monotonic.

    looks: one for each time that the rule was asked. lived: the workers that have ended.
    """

    def __init__(self, rule: Rule, queue: QueueStandIn, ground: Ground) -> None:
        self._rule, self._queue, self._ground = rule, queue, ground
        self._members: list[_Member] = []
        self._count = 0
        self.looks: list[Look] = []
        self.lived: list[Lived] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for member in self._members:
            member.process.kill()

    def serve(self, is_over: Callable[[], bool]) -> None:
        """Until it is over and the last worker has ended: the rule may keep none for good.

        Raises RuntimeError where a worker ends otherwise than it should.
        """
        while not is_over() or self._members:
            self._turn()
            time.sleep(LOOK_SECONDS)

    def _turn(self) -> None:
        self._reap()
        now, jobs = time.monotonic(), self._queue.jobs()
        has_work = {job.worker for job in jobs if job.status == "IN_PROGRESS"}
        self._notice(now, has_work)
        self._end_idle(now)
        self._start_needed(now, [job for job in jobs if job.status == "IN_QUEUE"])
        self.looks.append(self._look(now, jobs, has_work))

    def _reap(self) -> None:
        for member in [each for each in self._members if not each.process.is_running]:
            self._members.remove(member)
            code = member.process.exit_code()
            # Its heartbeat is a process of its own.
            member.process.kill()
            if code:
                raise RuntimeError(f"{member.pod} ended with {code}:\n{member.process.log()[-2000:]}")
            self.lived.append(self._lived(member))

    def _lived(self, member: _Member) -> Lived:
        asked = int((self._ground.folder / counting_worker.requests_of(member.pod)).read_text())
        return Lived(member.started, member.ready, time.monotonic(), asked)

    def _notice(self, now: float, has_work: set[str | None]) -> None:
        for member in self._members:
            if member.ready is None and (ready := self._queue.first_asked(member.pod)) is not None:
                member.ready = member.worked = ready
            if member.pod in has_work:
                member.worked = now

    def _end_idle(self, now: float) -> None:
        for member in self._staying():
            if member.ready is not None and self._rule.may_end(now - member.worked, len(self._staying())):
                self._tell_to_leave(member)

    def _start_needed(self, now: float, queued: Sequence[QueuedJob]) -> None:
        waits = [now - job.submitted for job in queued]
        staying = self._staying()
        starting = sum(member.ready is None for member in staying)
        for _ in range(self._rule.to_start(waits, starting, len(staying))):
            self._start()

    def _start(self) -> None:
        pod = f"pod{self._count}"
        self._count += 1
        process = Worker(self._queue, self._ground, pod, {"PYTHONPATH": str(ROOT)}, PROGRAM)
        self._members.append(_Member(pod, process, time.monotonic()))
        process.start()

    def _tell_to_leave(self, member: _Member) -> None:
        member.is_leaving = True
        member.process.terminate()

    def _staying(self) -> list[_Member]:
        return [member for member in self._members if not member.is_leaving]

    def _look(self, now: float, jobs: Sequence[QueuedJob], has_work: set[str | None]) -> Look:
        queued = sum(job.status == "IN_QUEUE" for job in jobs)
        does = Counter(_does(member, has_work) for member in self._members)
        return Look(now, queued, does["starting"], does["busy"], does["idle"], does["leaving"])


def _does(member: _Member, has_work: set[str | None]) -> str:
    if member.is_leaving:
        return "leaving"
    if member.ready is None:
        return "starting"
    return "busy" if member.pod in has_work else "idle"
