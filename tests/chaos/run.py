"""One run: workers, callers and faults, then a calm in which everything has to come to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from tests.chaos.callers import Callers
from tests.chaos.faults import Event, events
from tests.chaos.findings import Findings
from tests.chaos.fleet import Fleet
from tests.chaos.look import look
from tests.chaos.place import Place
from tests.chaos.storm import StoreWeather, Storm
from tests.chaos.visits import Avatars, Visit, visits
from tests.worker.endpoint import Endpoint
from tests.worker.queue_jobs import FINAL
from tests.worker.queue_standin import QueueStandIn

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
    found = look(place, callers.acknowledged, fleet.dead, [*half_made, *fleet.wrong, *fleet.told_secrets()])
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
