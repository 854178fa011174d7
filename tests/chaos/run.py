"""One run: workers, callers and faults, then a calm in which everything has to come to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from engine.job_ids import record_id_of
from engine.jobs import JobName
from engine.store.s3 import S3Store
from tests.chaos.accounts import settled
from tests.chaos.callers import Acknowledged, Callers
from tests.chaos.faults import Event, events
from tests.chaos.findings import Findings
from tests.chaos.fleet import Fleet
from tests.chaos.housekeeping import House
from tests.chaos.objects import torn
from tests.chaos.purchases import Spoken, bought_again, kept_at
from tests.chaos.references import unreferenced
from tests.chaos.store_check import faults_in
from tests.chaos.storm import StoreWeather, Storm
from tests.chaos.visits import Avatars, Visit, visits
from tests.servers.elevenlabs import ElevenLabsServer
from tests.servers.faulty_proxy import FaultyProxy, faulty_proxy
from tests.servers.moto_process import moto_process
from tests.worker.clips import grey_clip, talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import account
from tests.worker.queue_jobs import FINAL
from tests.worker.queue_losses import Losses
from tests.worker.queue_standin import QueueStandIn
from tests.worker.workers_bucket import WorkersBucket

LOST_AFTER = 6.0
"""Seconds without a word of a job after which the queue hands it out again; workers ping every second."""

HOLD_SECONDS = 2.0
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Wanted:
    """seconds: how long callers come and things go wrong. calm: the most seconds that the rest may then take."""

    seed: int
    seconds: float
    jobs: int
    workers: int
    calm: float


@dataclass(frozen=True)
class Plan:
    """All that is drawn by lot."""

    visits: tuple[Visit, ...]
    events: tuple[Event, ...]

    @classmethod
    def of(cls, wanted: Wanted, avatars: Avatars) -> Plan:
        callers = visits(wanted.seed, wanted.seconds, wanted.jobs, avatars)
        return cls(callers, events(wanted.seed, wanted.seconds, wanted.workers))


@dataclass(frozen=True)
class Place:
    """The servers and folders of a run."""

    folder: Path
    default_avatar: Path
    avatars: Avatars
    bucket: WorkersBucket
    proxy: FaultyProxy
    queue: QueueStandIn
    voice: ElevenLabsServer

    @property
    def settings(self) -> dict[str, str]:
        """Of every worker."""
        places = {"AVATAR_DIRS": str(self.folder / "avatars")}
        return {**places, **account(self.voice), **self.bucket.environment(self.proxy.url)}

    def house(self) -> House:
        """Its store, which is asked without the proxy."""
        return House(S3Store(self.bucket.settings), self.folder / "sweeper", self.default_avatar)


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="chaos-")))
        server = stack.enter_context(moto_process("chaos"))
        proxy = stack.enter_context(faulty_proxy(server.port))
        proxy.writing = threading.Lock()
        queue = stack.enter_context(QueueStandIn(HOLD_SECONDS, Losses(LOST_AFTER)))
        voice = stack.enter_context(ElevenLabsServer())
        avatars = make_avatars(folder / "avatars")
        default = talking_head(folder / "default.mp4", 12)
        yield Place(folder, default, avatars, WorkersBucket.on(server), proxy, queue, voice)


def make_avatars(folder: Path) -> Avatars:
    folder.mkdir()
    good = [str(talking_head(folder / f"face{frames}.mp4", frames)) for frames in (10, 15, 25)]
    damaged = folder / "damaged.mp4"
    damaged.write_bytes(Path(good[0]).read_bytes()[:2_000])
    return Avatars((None, *good), str(grey_clip(folder / "nobody.mp4")), str(damaged))


def run(wanted: Wanted, place: Place, plan: Plan) -> Findings:
    """Let it rage, wait for the calm, and look at what there is."""
    began = time.monotonic()
    endpoint = Endpoint(place.queue)
    weather = StoreWeather(Random(f"requests of {wanted.seed}"))
    with Fleet(place.queue, place.folder, place.default_avatar, place.settings, wanted.workers) as fleet:
        storm = Storm(fleet, place.queue, place.proxy, weather, place.voice)
        _wait_until_ready(place.queue, fleet)
        place.proxy.weather = weather
        with Callers(endpoint, plan.visits) as callers:
            storm.rage(plan.events, wanted.seconds)
            storm.end()
            _settle(callers, place.queue, fleet, wanted.calm)
        half_made = _half_made(fleet)
        fleet.leave()
    endpoint.close()
    found = _look(place, callers.acknowledged, fleet.dead, [*half_made, *fleet.wrong, *fleet.told_secrets()])
    return found.with_course(wanted.seed, time.monotonic() - began, storm, fleet, len(place.voice.requests))


def _wait_until_ready(queue: QueueStandIn, fleet: Fleet) -> None:
    for slot in fleet.slots:
        assert queue.wait_for_worker(slot.worker.pod, READY_SECONDS), slot.worker.log()


def _settle(callers: Callers, queue: QueueStandIn, fleet: Fleet, seconds: float) -> None:
    """Until every caller has gone and every job has ended; what hasn't by then is lost."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fleet.tend()
        if callers.all_done() and all(job.status in FINAL for job in queue.jobs()):
            return
        time.sleep(0.1)


def _half_made(fleet: Fleet) -> list[str]:
    """What still lies about when nothing has run for a moment: a cancelled job takes its time to leave."""
    end = time.monotonic() + 10.0
    while (left := fleet.half_made()) and time.monotonic() < end:
        fleet.tend()
        time.sleep(0.2)
    return [f"half made, on a living worker's disk: {path}" for path in sorted(left)]


def _look(place: Place, acknowledged: list[Acknowledged], dead: set[str], complaints: list[str]) -> Findings:
    house = place.house()
    before = house.objects()
    accounts = settled(acknowledged, place.queue.jobs(), before, dead)
    spoilt = list(torn(before))
    lasting = house.lasting()
    # Both read records, which have to be whole.
    leftovers = unreferenced(before, lasting) if not spoilt else set()
    contradictions = faults_in(before) if not spoilt else ()
    swept = house.sweep_after_a_day()
    after = house.objects()
    kept = unreferenced(after, lasting)
    weeks = house.sweep_after_weeks()
    remaining = unreferenced(house.objects(), lasting)
    failures = [
        f"the sweep has failed at {failures} things" for failures in (swept.failures + weeks.failures,) if failures
    ]
    bought = list(bought_again(place.voice.requests, _spoken(place, acknowledged), kept_at(place.proxy.done)))
    return Findings(
        accounts,
        len(before),
        tuple(spoilt),
        len(leftovers),
        tuple(sorted(kept | remaining)),
        (*complaints, *contradictions, *failures, *bought),
    )


def _spoken(place: Place, acknowledged: list[Acknowledged]) -> Iterator[Spoken]:
    jobs = {job.id: job for job in place.queue.jobs()}
    texts = {each.asked.input["text"]: each.asked.input for each in acknowledged if _has_text(each.asked.input)}
    for text, wanted in texts.items():
        ids = [each.job_id for each in acknowledged if each.asked.input == wanted]
        key = wanted.get("idempotency_key")
        record = JobName.of_idempotency_key(key, ids[0]).record_id if key else record_id_of(ids[0])
        yield Spoken(text, record, tuple(sorted(at for each in ids for at in jobs[each].handed_at)))


def _has_text(job_input: object) -> bool:
    return isinstance(job_input, dict) and bool(job_input.get("text"))
