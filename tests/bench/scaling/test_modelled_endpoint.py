"""The model against queueing theory, by hand, and by what holds for every course."""

from __future__ import annotations

import importlib.util
import re
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scaling.course_figures import most_workers
from bench.scaling.measured import MeasuredJob
from bench.scaling.modelled_endpoint import FULL_PAUSE, Course, Life, ModelledEndpoint, Served, Session, Step
from bench.scaling.rule import Rule


class Fixed:
    """Every job takes ``service`` seconds, and as many again for each job beside it; every start ``cold``."""

    def __init__(self, service: float, cold: float) -> None:
        self._service, self._cold = service, cold

    def job(self, action: str, beside: int) -> MeasuredJob:
        return MeasuredJob(action=action, service=self._service * (1 + beside), video=1, gpu=0.5, beside=beside)

    def cold_start(self) -> float:
        return self._cold


class Exponential:
    """Services of ``mean`` seconds, and workers that are ready at once."""

    def __init__(self, mean: float, seed: int) -> None:
        self._random, self._rate = Random(seed), 1 / mean

    def job(self, action: str, beside: int) -> MeasuredJob:
        seconds = self._random.expovariate(self._rate)
        return MeasuredJob.model_construct(action=action, service=seconds, video=1.0, gpu=seconds, beside=beside)

    def cold_start(self) -> float:
        return 0.0


def _single(*begins: float) -> tuple[Session, ...]:
    return tuple(Session(each, (Step("generate"),)) for each in begins)


def _served(
    sessions: tuple[Session, ...], rule: Rule, times: Fixed, concurrency: int = 1, pause: float = 0.0
) -> Course:
    return ModelledEndpoint(rule, concurrency, times, pause=pause).serve(sessions)


def _times(course: Course) -> list[tuple[float, float, float]]:
    return [(round(job.asked, 3), round(job.taken, 3), round(job.done, 3)) for job in course.served]


def _mean_wait_by_erlang(arrivals: float, services: float, workers: int) -> float:
    """Seconds that a job waits in M/M/c: Erlang's C formula, from his B by its recursion."""
    load, blocked = arrivals / services, 1.0
    for servers in range(1, workers + 1):
        blocked = load * blocked / (servers + load * blocked)
    delayed = blocked / (1 - load / workers * (1 - blocked))
    return delayed / (workers * services - arrivals)


@pytest.mark.parametrize(("workers", "concurrency"), [(4, 1), (2, 3)])
def test_with_a_fixed_number_of_workers_jobs_wait_as_long_as_erlang_says(workers: int, concurrency: int) -> None:
    places = workers * concurrency
    arrivals, jobs = 0.6 * places, 50_000
    random = Random(7)
    begins = accumulate(random.expovariate(arrivals) for _ in range(jobs))
    rule = Rule(least=workers, most=workers)
    course = ModelledEndpoint(rule, concurrency, Exponential(1.0, seed=8), pause=0).serve(_single(*begins))
    mean = sum(job.wait for job in course.served) / jobs
    assert mean == pytest.approx(_mean_wait_by_erlang(arrivals, 1.0, places), rel=0.05)
    assert len(course.lives) == workers


def test_the_first_job_calls_for_a_worker_at_once_and_waits_for_its_start() -> None:
    course = _served(_single(10), Rule(queue_delay=4, idle=5), Fixed(service=3, cold=2))
    assert _times(course) == [(10, 12, 15)]
    (life,) = course.lives
    assert (life.started, life.ready, life.ended, life.busy) == pytest.approx((10, 12, 20, 3))


def test_a_job_calls_for_one_more_worker_after_the_delay() -> None:
    course = _served(_single(0, 1), Rule(queue_delay=4, idle=5), Fixed(service=20, cold=2))
    assert _times(course) == [(0, 2, 22), (1, 7, 27)]
    assert sorted(life.started for life in course.lives) == pytest.approx([0, 5])


def test_a_worker_that_idles_takes_the_next_job_at_once() -> None:
    course = _served(_single(0, 9), Rule(queue_delay=4, idle=5), Fixed(service=3, cold=2))
    assert _times(course) == [(0, 2, 5), (9, 9, 12)]
    assert len(course.lives) == 1


def test_a_worker_takes_as_many_jobs_as_it_has_room_for() -> None:
    course = _served(_single(0, 1, 2), Rule(queue_delay=4, most=1), Fixed(service=3, cold=2), concurrency=2)
    assert _times(course) == [(0, 2, 5), (1, 2, 8), (2, 5, 11)]


def test_a_full_worker_looks_for_room_once_a_second() -> None:
    course = _served(_single(0, 1), Rule(least=1, most=1), Fixed(service=3.3, cold=0), pause=1)
    assert _times(course) == [(0, 0, 3.3), (1, 4, 7.3)]


def test_the_sdk_rests_as_long_as_the_model_does() -> None:
    sdk = importlib.util.find_spec("runpod")
    assert sdk is not None
    assert sdk.origin is not None
    source = (Path(sdk.origin).parent / "serverless" / "modules" / "rp_scale.py").read_text()
    assert f"if jobs_needed <= 0:\n{' ' * 16}log.debug(" in source
    assert re.search(rf"Queue is full.*\n\s+await asyncio\.sleep\({FULL_PAUSE:g}\)", source)


def test_jobs_go_in_turn_to_the_worker_that_has_asked_longest() -> None:
    rule = Rule(least=2, most=2)
    course = _served(_single(1, 5, 9, 13), rule, Fixed(service=1, cold=0), concurrency=2)
    assert [job.worker for job in course.served] == [0, 1, 0, 1]


def test_packed_jobs_go_to_the_worker_that_asked_last() -> None:
    endpoint = ModelledEndpoint(Rule(least=2, most=2), 2, Fixed(service=1, cold=0), packs=True)
    course = endpoint.serve(_single(1, 5, 5.1, 5.2, 13))
    assert [job.worker for job in course.served] == [1, 1, 0, 1, 1]


def test_the_next_job_of_a_session_is_asked_for_after_the_result_of_the_one_before() -> None:
    session = Session(1, (Step("create_session"), Step("generate", 0.5), Step("generate", 2)))
    course = _served((session,), Rule(least=1, most=1), Fixed(service=3, cold=0))
    assert _times(course) == [(1, 1, 4), (4.5, 4.5, 7.5), (9.5, 9.5, 12.5)]
    assert [job.action for job in course.served] == ["create_session", "generate", "generate"]


def test_workers_that_are_always_kept_are_paid_until_the_end() -> None:
    course = _served(_single(100), Rule(idle=5, least=1, most=2), Fixed(service=3, cold=2))
    (life,) = course.lives
    assert (life.started, life.ready, life.ended, life.busy) == pytest.approx((0, 2, 108, 3))


_rules = st.builds(
    Rule,
    queue_delay=st.sampled_from([0.0, 0.3, 4.0]),
    idle=st.sampled_from([0.0, 1.0, 7.7]),
    least=st.integers(0, 2),
    most=st.integers(2, 5),
)
_seconds = st.floats(0, 20, allow_nan=False)
_courses = st.lists(st.tuples(_seconds, st.lists(_seconds, max_size=4)), max_size=25)
"""When each session begins, and its pauses."""


@settings(max_examples=60, deadline=None)
@given(_courses, _rules, st.integers(1, 3), st.floats(0.01, 9), st.floats(0, 9), st.sampled_from([0.0, 1.0]))
def test_every_job_is_served_once_in_its_turn_by_a_living_worker_with_room(
    asked: list[tuple[float, list[float]]], rule: Rule, concurrency: int, service: float, cold: float, pause: float
) -> None:
    sessions = tuple(
        Session(begins, tuple(Step(f"{number}.{place}", pause) for place, pause in enumerate(pauses)))
        for number, (begins, pauses) in enumerate(asked)
    )
    course = _served(sessions, rule, Fixed(service, cold), concurrency, pause)
    assert most_workers(course.lives) <= rule.most
    for number, session in enumerate(sessions):
        own = [job.action for job in course.served if job.action.startswith(f"{number}.")]
        assert own == [step.action for step in session.steps]
    for life in course.lives:
        _assert_within(life, [job for job in course.served if job.worker == life.worker], concurrency)


def _assert_within(life: Life, jobs: list[Served], concurrency: int) -> None:
    assert all(job.asked <= job.taken and life.ready <= job.taken < job.done <= life.ended for job in jobs)
    assert all(sum(each.taken <= job.taken < each.done for each in jobs) <= concurrency for job in jobs)
