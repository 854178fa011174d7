"""When a job's end is told once more, and when never again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shim.jobs.record import AcceptedJob
from shim.webhooks.delivery import SCHEDULE, noted_answer
from shim.webhooks.posting import Answer
from tests.shim.jobs.samples import NOW, accepted

FAILED = [Answer(status=500), Answer(status=302), Answer(status=404), Answer(error="No connection could be made.")]


def after(*answers: Answer) -> AcceptedJob:
    job = accepted(state="done", ended_at=NOW)
    for answer in answers:
        job = noted_answer(job, answer, NOW, SCHEDULE)
    return job


@pytest.mark.parametrize("status", [200, 204, 299])
def test_what_is_taken_is_delivered(status: int) -> None:
    job = after(Answer(status=500), Answer(status=status))
    assert job.webhook is not None
    assert (job.webhook.state, len(job.webhook.attempts), job.next_delivery) == ("delivered", 2, None)


@pytest.mark.parametrize("answer", FAILED)
def test_what_fails_is_told_later_and_later_and_then_never(answer: Answer) -> None:
    for tries, pause in enumerate(SCHEDULE, 1):
        assert after(*[answer] * tries).next_delivery == NOW + pause
    given_up = after(*[answer] * (len(SCHEDULE) + 1))
    assert given_up.webhook is not None
    assert (given_up.webhook.state, given_up.next_delivery) == ("given_up", None)


def test_a_receiver_that_is_gone_is_told_never_again() -> None:
    job = after(Answer(status=410))
    assert job.webhook is not None
    assert (job.webhook.state, job.next_delivery) == ("given_up", None)


def test_attempts_grow_rarer_and_end_before_the_outputs_do() -> None:
    assert list(SCHEDULE) == sorted(SCHEDULE)
    assert sum(SCHEDULE, timedelta()) < timedelta(days=1)
    assert SCHEDULE[0] == timedelta(seconds=5)
