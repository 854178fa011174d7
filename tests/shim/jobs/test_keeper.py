"""How jobs are seen through, with a backend that does as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from engine.errors import EngineError, IdempotencyConflict, InvalidInput, NoFace
from engine.outages import QueueUnavailable
from engine.records import JobRecord, Records
from engine.schemas import Generate
from engine.store.local import LocalStore
from shim.backends import Backend, KeptJob, Made
from shim.callers import ANYBODY, Caller
from shim.errors import GenerationFailed
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.keeper import MOST_LOST, JobKeeper, Keeping
from shim.jobs.record import AcceptedJob
from shim.jobs.replicas import Replica
from shim.refusals import TooManyGenerations
from shim.turnstile import Turnstile
from tests.shim.jobs.samples import accepted
from tests.shim.test_queue_jobs import GENERATED
from tests.shim.waiting import wait_until

REQUEST = Generate(session_id="s", text="Hello.", idempotency_key="k")


@dataclass
class Scripted:
    """A backend whose ``enqueue`` raises ``refusals`` first, and whose videos come to ``end``."""

    end: Exception | None = None
    refusals: list[EngineError] = field(default_factory=list)
    queue_id: str | None = None
    enqueued: list[KeptJob] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def demand_possible(self, request: Generate) -> None:
        pass

    async def enqueue(self, job: KeptJob) -> Scripted:
        if self.refusals:
            raise self.refusals.pop(0)
        self.enqueued.append(job)
        return self

    def position(self) -> int | None:
        return 7

    async def made(self) -> Made:
        await self.go.wait()
        if self.end is not None:
            raise self.end
        return Made("j", GENERATED)

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        self.cancelled.append(job_id)


@dataclass
class Guard:
    """A Check that refuses as often as it is told to."""

    refusals: int = 0
    inside: int = 0

    @asynccontextmanager
    async def held(self, caller: Caller, request: Generate) -> AsyncIterator[None]:
        if self.refusals:
            self.refusals -= 1
            raise TooManyGenerations("Too many videos are being made.")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Ground:
    """One server's keeper over a store."""

    store: LocalStore
    backend: Scripted = field(default_factory=Scripted)
    guard: Guard = field(default_factory=Guard)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accepted = AcceptedJobs(self.store, now)
        self.records = Records(self.store, now)
        self.replica = Replica(self.store, "here")
        turnstile = Turnstile([self.guard])
        backend = cast(Backend, self.backend)
        self.keeper = JobKeeper(
            Keeping(backend, turnstile, self.accepted, self.records, self.replica, self.deliver, now, 0.1, 0.01)
        )

    async def deliver(self, job_id: str) -> bool:
        self.told.append(job_id)
        return True

    async def accept(self, **fields: Any) -> AcceptedJob:
        return await self.keeper.accept(accepted(**fields), REQUEST, ANYBODY)

    def job(self) -> AcceptedJob:
        job = self.accepted.get("j")
        assert job is not None
        return job

    async def finished(self) -> AcceptedJob:
        """The job when nothing is left to do for it."""
        await asyncio.to_thread(wait_until, lambda: not self.accepted.unfinished_ids())
        return self.job()

    async def ended(self) -> AcceptedJob:
        await asyncio.to_thread(wait_until, lambda: not self.job().is_open)
        return self.job()

    def leave_behind(self, **fields: Any) -> None:
        """A job of a server that is dead."""
        assert self.accepted.keep(accepted(holder="dead", **fields), REQUEST)

    def begin(self) -> None:
        """The record of a run that was under way when its server died."""
        times = {"heartbeat": now(), "created": now(), "updated": now()}
        record = JobRecord(job_id="j", action="generate", input_hash="x", state="running", **times)
        assert self.records.jobs.create(record)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(LocalStore(tmp_path))


def run(ground: Ground, scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            ground.keeper.start()
            await scenario()
            await ground.keeper.close()

    asyncio.run(bounded())


def test_a_job_is_past_the_turnstile_until_it_has_ended(ground: Ground) -> None:
    async def scenario() -> None:
        await ground.accept()
        await asyncio.sleep(0.01)
        assert (ground.guard.inside, ground.keeper.position("j")) == (1, 7)
        ground.backend.go.set()
        assert (await ground.finished()).state == "done"
        assert (ground.guard.inside, ground.keeper.position("j"), ground.told) == (0, None, ["j"])

    run(ground, scenario)


@pytest.mark.parametrize(
    ("end", "state", "code"),
    [
        (NoFace("No face."), "failed", "no_face"),
        (GenerationFailed(NoFace("No face.")), "failed", "no_face"),
        (ZeroDivisionError("a secret"), "failed", "internal_error"),
    ],
)
def test_whatever_happens_a_job_ends(ground: Ground, end: Exception, state: str, code: str) -> None:
    ground.backend.end = end

    async def scenario() -> None:
        await ground.accept()
        ground.backend.go.set()
        job = await ground.ended()
        assert job.error is not None
        assert (job.state, job.error.error) == (state, code)
        assert "secret" not in job.error.detail

    run(ground, scenario)


@pytest.mark.parametrize("who", ["turnstile", "backend"])
def test_what_is_refused_was_never_accepted(ground: Ground, who: str) -> None:
    error: type[EngineError] = TooManyGenerations if who == "turnstile" else InvalidInput
    ground.guard.refusals = int(who == "turnstile")
    ground.backend.refusals = [InvalidInput("It is too large.")]

    async def scenario() -> None:
        with pytest.raises(error):
            await ground.accept()
        assert ground.accepted.get("j") is None
        assert [info.key for info in ground.store.list("") if not info.key.startswith("replicas/")] == []

    run(ground, scenario)


def test_the_same_request_finds_its_job_and_another_one_conflicts(ground: Ground) -> None:
    async def scenario() -> None:
        first, *others = await asyncio.gather(*(ground.accept() for _ in range(4)))
        assert {other.job_id for other in others} == {first.job_id}
        with pytest.raises(IdempotencyConflict):
            await ground.accept(body_hash="1" * 64)
        ground.backend.go.set()
        await ground.finished()
        assert len(ground.backend.enqueued) == 1
        assert (await ground.accept()).state == "done"

    run(ground, scenario)


def test_what_a_dead_server_left_goes_on_whatever_refuses_it_for_the_moment(ground: Ground) -> None:
    ground.leave_behind()
    ground.guard.refusals = 3
    ground.backend.refusals = [QueueUnavailable("It is away.")] * 2
    ground.backend.go.set()

    async def scenario() -> None:
        job = await ground.finished()
        assert (job.state, job.holder, ground.told) == ("done", "here", ["j"])
        (kept,) = ground.backend.enqueued
        assert kept.was_begun
        assert ground.guard.refusals == 0

    run(ground, scenario)


def test_what_the_queue_has_is_followed_though_the_turnstile_refuses_it(ground: Ground) -> None:
    ground.leave_behind(queue_id="q1")
    ground.guard.refusals = 10**6
    ground.backend.queue_id = "q1"
    ground.backend.go.set()

    async def scenario() -> None:
        assert (await ground.finished()).state == "done"
        assert [kept.queue_id for kept in ground.backend.enqueued] == ["q1"]

    run(ground, scenario)


@pytest.mark.parametrize(("lost", "state"), [(MOST_LOST - 1, "done"), (MOST_LOST, "failed")])
def test_a_job_that_ends_its_server_again_and_again_ends_itself(ground: Ground, lost: int, state: str) -> None:
    ground.leave_behind(lost=lost)
    ground.begin()
    ground.backend.go.set()

    async def scenario() -> None:
        assert (await ground.finished()).state == state

    run(ground, scenario)


def test_an_end_that_was_not_told_is_told_by_the_next_server(ground: Ground) -> None:
    ground.leave_behind()
    ground.accepted.end("j", "done")

    async def scenario() -> None:
        await ground.finished()
        assert (ground.told, ground.backend.enqueued) == (["j"], [])

    run(ground, scenario)


def test_what_a_living_server_holds_is_left_to_it(ground: Ground) -> None:
    ground.leave_behind()
    ground.store.put("replicas/dead", b"")
    ground.backend.go.set()

    async def scenario() -> None:
        await asyncio.sleep(0.5)
        assert (ground.job().holder, ground.backend.enqueued) == ("dead", [])

    run(ground, scenario)


def test_a_server_that_has_only_just_begun_to_live_keeps_its_jobs(ground: Ground) -> None:
    ground.backend.go.set()

    async def scenario() -> None:
        for name in map(str, range(5)):
            await asyncio.sleep(0.13)
            ground.store.put(f"replicas/{name}", b"")
            assert ground.accepted.keep(accepted(name, holder=name), REQUEST)
        await asyncio.sleep(0.3)
        assert ground.backend.enqueued == []

    run(ground, scenario)


def test_a_damaged_job_keeps_nobody_from_the_others(ground: Ground) -> None:
    ground.store.put("pending/a/damaged", b"")
    ground.store.put("accepted/damaged.json", b"{}")
    ground.leave_behind()
    ground.backend.go.set()

    async def scenario() -> None:
        await ground.ended()

    run(ground, scenario)


def test_cancelling_asks_the_backend_as_often_as_it_is_asked(ground: Ground) -> None:
    async def scenario() -> None:
        job = await ground.accept()
        for _ in range(2):
            await ground.keeper.cancel(job)
        assert (ground.job().state, ground.backend.cancelled) == ("cancelled", ["j", "j"])
        ground.backend.go.set()
        assert (await ground.finished()).state == "cancelled"

    run(ground, scenario)


def test_a_server_that_stops_leaves_its_jobs_open(ground: Ground) -> None:
    async def scenario() -> None:
        await ground.accept()

    run(ground, scenario)
    assert ground.job().is_open
    assert ground.accepted.unfinished_ids() == {"j"}
    assert ground.store.head("replicas/here") is None
