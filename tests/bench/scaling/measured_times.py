"""Times as a simulation leaves them, made up for tests."""

from __future__ import annotations

from bench.scaling.measured import Measured, MeasuredJob, MeasuredRun


def job(action: str = "generate", service: float = 2.0, beside: int = 0) -> MeasuredJob:
    """A generate makes twice as many seconds of video as it takes, and draws for a quarter of its time."""
    video = 2 * service if action == "generate" else 0.0
    return MeasuredJob(action=action, service=service, video=video, gpu=video / 8, beside=beside)


def measured(*jobs: MeasuredJob, run: MeasuredRun | None = None) -> Measured:
    """On one-job workers that take 3 s to start, with 10 requests a job."""
    return Measured(
        jobs=jobs or (job("create_session", 1.0), job()),
        cold_starts=(3.0,),
        concurrency=1,
        store_requests=10 * (len(jobs) or 2),
        machine=("machine: made up", "GPU: none"),
        run=run,
    )
