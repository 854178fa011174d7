"""A simulation's figures."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np

from bench.scaling.simulation import SHIPPED_CONCURRENCY, Simulated
from bench.table import Table

SHARES = (50, 95, 99)
"""Of the waits, in percent."""


def table(found: Simulated) -> Table:
    """One figure a row."""
    return Table(
        title=f"An endpoint of up to {found.workload.rule.most} workers on this machine, renderer preview",
        columns=("", "measured"),
        rows=(*_of_jobs(found), *_of_workers(found), *_of_costs(found), *_of_accounts(found)),
        notes=tuple(_notes(found)),
    )


def verdict(found: Simulated) -> str:
    """The last line: whether every job came to one end."""
    accounts = found.accounts
    return (
        f"{len(accounts.acknowledged)} jobs acknowledged: {len(found.done)} results, {len(accounts.failed)} typed "
        f"errors, {len(accounts.lost)} lost, {len(accounts.doubled)} doubled."
    )


def _of_jobs(found: Simulated) -> Iterator[tuple[str, str]]:
    yield "jobs", str(len(found.jobs))
    yield "jobs/s", f"{len(found.jobs) / found.seconds:.2f}"
    yield "seconds of video a second", f"{found.video / found.seconds:.2f}"
    for share in SHARES:
        yield f"wait in the queue: seconds, p{share}", f"{np.percentile(found.waits, share):.2f}"
    for action in ("create_session", "generate"):
        services = [job.service for job in found.done if job.action == action]
        yield f"{action}: seconds from hand-out to result, p50 and p95", _two(*np.percentile(services, (50, 95)))


def _of_workers(found: Simulated) -> Iterator[tuple[str, str]]:
    yield "most workers at once", str(max(look.starting + look.busy + look.idle for look in found.looks))
    yield "cold starts", str(len(found.cold_starts))
    yield "cold start: seconds, median and longest", _two(median(found.cold_starts), max(found.cold_starts))


def _of_costs(found: Simulated) -> Iterator[tuple[str, str]]:
    yield "GPU seconds per second of video", "not measured on a GPU"
    yield "in their place, the preview's drawing: seconds per second of video", f"{found.drawing / found.video:.3f}"
    yield "paid worker seconds per second of video", f"{found.paid / found.video:.3f}"
    yield "requests to the store per job", f"{found.store_requests / len(found.jobs):.1f}"


def _of_accounts(found: Simulated) -> Iterator[tuple[str, str]]:
    yield "failed with a typed error", str(len(found.accounts.failed))
    yield "lost jobs", str(len(found.accounts.lost))
    yield "doubled jobs", str(len(found.accounts.doubled))


def _notes(found: Simulated) -> Iterator[str]:
    workload, rule = found.workload, found.workload.rule
    pattern, habits = workload.pattern, workload.habits
    yield (
        f"{len(found.arrivals.at)} callers in {workload.seconds:g} s, by a Poisson process of {pattern.rate:g} a "
        f"second with seed {workload.seed}, {pattern.times:g} times that in {len(found.arrivals.bursts)} bursts of "
        f"{pattern.lasting:g} s; each makes a session with one of {workload.avatars} avatars of {workload.side}x"
        f"{workload.side} or a little more, and then 1 to {habits.most_videos} videos, one after another, of "
        f"{habits.shortest} to {habits.longest} s of speech, half from texts and half from recordings."
    )
    yield (
        f"Every worker is a process of the real SDK with {SHIPPED_CONCURRENCY} jobs at a time, as shipped. A worker "
        f"more for each job that has waited {rule.queue_delay:g} s, the first at once; ended by SIGTERM after "
        f"{rule.idle:g} s without work. They share a folder as their store."
    )
    yield (
        "A cold start: from the start of the process until it first asks for a job. Paid: from there until its end, "
        "each worker's rounded up to the second. All workers, the queue and the callers share this machine's cores: "
        "more workers are not more processors here, as they are on RunPod."
    )
    yield (
        "Lost: acknowledged, and neither a result whose video lies in the store nor a typed error. Doubled: ended more "
        "than once, or with more than one folder of outputs."
    )


def _two(one: float, other: float) -> str:
    return f"{one:.2f}, {other:.2f}"
