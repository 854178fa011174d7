"""What real workers were measured at, as the model needs it and as the simulation leaves it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from bench.scaling.arrivals import Pattern
from bench.scaling.rule import Rule
from bench.scaling.visits import Habits


class MeasuredJob(BaseModel):
    """One job that a worker did.

    service: seconds from its hand-out to its result. video: seconds of its video, 0 where it makes none. gpu: the
    device's seconds. beside: the jobs that the worker had already when this one was handed out.
    """

    model_config = ConfigDict(frozen=True)

    action: str
    service: float
    video: float
    gpu: float
    beside: int


class MeasuredRun(BaseModel):
    """How the run itself went, which a model of the same run has to come near.

    Callers came for ``seconds``, by the pattern and seed, with one of so many avatars each. waits: seconds from each
    job's submission to its hand-out. paid: worker seconds, each worker's rounded up.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    pattern: Pattern
    seed: int
    habits: Habits = Habits()
    avatars: int
    rule: Rule
    waits: tuple[float, ...]
    paid: int


class Measured(BaseModel):
    """One run of the simulation.

    cold_starts: seconds from each start of a process to its first asking for a job. concurrency: jobs of one worker
    at a time. store_requests: to the object store, in all. machine: the lines that stand above a bench's figures.
    run: None where the times come from elsewhere.
    """

    model_config = ConfigDict(frozen=True)

    jobs: tuple[MeasuredJob, ...]
    cold_starts: tuple[float, ...]
    concurrency: int
    store_requests: int
    machine: tuple[str, ...]
    run: MeasuredRun | None = None
