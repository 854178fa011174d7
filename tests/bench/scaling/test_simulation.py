"""A short simulation with real workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import httpx
import pytest

from bench.scaling.arrivals import Pattern
from bench.scaling.callers import Callers
from bench.scaling.live_endpoint import LiveEndpoint
from bench.scaling.measured import Measured
from bench.scaling.rule import Rule
from bench.scaling.simulate import leave
from bench.scaling.simulation import Simulated, Workload, simulate
from bench.scaling.simulation_report import table, verdict
from bench.scaling.visits import Asked, Habits, Visit
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import wait_for
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground

HABITS = Habits(most_videos=1, shortest=1, longest=1, pause=0.1)
RULE = Rule(queue_delay=0.3, idle=0.3, most=2)


@pytest.fixture(scope="module")
def found() -> Simulated:
    pattern = Pattern(rate=3, times=1, lasting=1, apart=100)
    return simulate(Workload(0.8, pattern, RULE, seed=1, habits=HABITS, avatars=1, side=128))


def test_every_job_ends_once(found: Simulated) -> None:
    assert len(found.jobs) == len(found.accounts.acknowledged) == len(found.done) == 2 * len(found.arrivals.at)
    assert found.accounts.are_right
    assert not found.accounts.failed
    assert verdict(found).endswith("0 lost, 0 doubled.")


def test_workers_are_started_by_the_rule_and_ended_when_idle(found: Simulated) -> None:
    present = [look.starting + look.busy + look.idle for look in found.looks]
    assert max(present) == 2
    assert (found.looks[-1].queued, present[-1]) == (0, 0)
    assert all(0.1 < start < 30 for start in found.cold_starts)
    assert all(life.store_requests > 0 for life in found.lived)


def test_what_a_worker_costs_begins_with_its_start(found: Simulated) -> None:
    assert found.paid >= sum(life.ended - life.started for life in found.lived)
    assert found.paid > sum(found.cold_starts) + RULE.idle * len(found.lived)


def test_jobs_are_measured_with_what_was_beside_them(found: Simulated) -> None:
    assert [job.video > 0 for job in found.done] == [job.action == "generate" for job in found.done]
    assert all(job.service > 0 for job in found.done)
    assert all(0 < job.gpu < job.service for job in found.done if job.action == "generate")
    assert {job.beside for job in found.done} <= {0, 1, 2}
    assert max(job.beside for job in found.done) > 0
    assert len(found.waits) == len(found.jobs)


def test_the_files_are_left_and_nothing_is_amiss(found: Simulated, tmp_path: Path) -> None:
    assert leave(found, ["machine: this"], tmp_path) == 0
    read = Measured.model_validate_json((tmp_path / "simulate.json").read_text())
    assert read == found.measured(["machine: this"])
    assert (len(read.jobs), read.concurrency) == (len(found.jobs), 3)
    plot = cv2.imread(str(tmp_path / "simulate.png"))
    assert plot is not None
    assert plot.shape[0] > 500
    assert len(table(found).rows) > 10


@pytest.mark.parametrize("wrong", ["lost", "doubled"])
def test_a_lost_or_doubled_job_is_an_error(found: Simulated, tmp_path: Path, wrong: str) -> None:
    job = found.jobs[0].id
    amiss = replace(found, accounts=replace(found.accounts, lost=(job,)))
    if wrong == "doubled":
        amiss = replace(found, accounts=replace(found.accounts, doubled=(job,)))
    assert leave(amiss, [], tmp_path) == 1


def test_a_worker_that_can_t_start_ends_the_simulation(tmp_path: Path) -> None:
    ground = Ground(tmp_path, tmp_path / "avatars" / "gone.mp4").make()
    with QueueStandIn() as queue, LiveEndpoint(RULE, queue, ground) as live:
        endpoint = Endpoint(queue)
        endpoint.run({"action": "status"})
        endpoint.close()
        with pytest.raises(RuntimeError, match="pod0 ended with 1"):
            live.serve(lambda: False)


def test_a_caller_that_is_refused_says_so() -> None:
    with QueueStandIn() as queue:
        queue.faults.plan("run", Fault(500))
        endpoint = Endpoint(queue)
        callers = Callers(endpoint, [Visit(0.0, (Asked(0.0, {"action": "status"}),))])
        with callers, pytest.raises(httpx.HTTPStatusError, match="500"):
            wait_for(callers.all_done)
        assert callers.acknowledged == []
        endpoint.close()
