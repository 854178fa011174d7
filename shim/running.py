"""Which jobs run in this process, for which sessions, and how to stop them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.cancel import CancelToken
from engine.errors import Overloaded


@dataclass(frozen=True)
class RunningJob:
    job_id: str
    session_id: str
    cancel: CancelToken = field(default_factory=CancelToken)


@dataclass
class RunningJobs:
    """At most ``slots`` jobs at a time. Used in the event loop's thread alone."""

    slots: int
    _jobs: dict[str, RunningJob] = field(default_factory=dict)

    @contextmanager
    def slot(self, job_id: str, session_id: str) -> Iterator[RunningJob]:
        """The job runs until the block is left. Raises Overloaded when no slot is free, or it runs already."""
        if job_id in self._jobs:
            raise Overloaded("This video is being made already. Ask for it again when it is done.")
        if len(self._jobs) >= self.slots:
            raise Overloaded(f"All {self.slots} places for making videos are taken. Try again in a few seconds.")
        job = self._jobs[job_id] = RunningJob(job_id, session_id)
        try:
            yield job
        finally:
            del self._jobs[job_id]

    def cancel(self, job_id: str) -> None:
        if job_id in self._jobs:
            self._jobs[job_id].cancel.cancel()

    def cancel_session(self, session_id: str) -> None:
        for job in self._jobs.values():
            if job.session_id == session_id:
                job.cancel.cancel()

    def cancel_all(self) -> None:
        for job in self._jobs.values():
            job.cancel.cancel()
