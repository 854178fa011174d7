"""From a run that has ended to its entry in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import Literal

from engine.cancel import Cancelled
from engine.errors import InputError, SessionNotFound
from engine.jobs import Jobs
from engine.ledger.entry import Entry
from engine.ledger.ledger import Ledger
from engine.run import Run
from engine.schemas import Generated


@dataclass(frozen=True)
class Accounting:
    """``renderer``: its name. Every method raises what the ledger does."""

    ledger: Ledger
    jobs: Jobs
    renderer: str

    def made(self, run: Run, generated: Generated) -> None:
        """The video is there. Runs of one job with one input are one generation."""
        keys = tuple(value for name, value in generated if name.endswith("_key") and value is not None)
        made = {"outputs": keys, "seconds": generated.duration}
        self.ledger.write(self._entry(run, run.outputs.name, "done").model_copy(update=made))

    def unmade(self, run: Run, error: BaseException) -> None:
        """What its caller has spent before giving up, or asked for in vain, counts; the service's failures don't.

        Otherwise whoever cancels a stream just before its end would have had it for nothing.
        """
        if run.account.is_empty or not isinstance(error, Cancelled | SessionNotFound | InputError):
            return
        ended: Literal["cancelled", "failed"] = "failed" if isinstance(error, InputError) else "cancelled"
        self.ledger.write(self._entry(run, f"{run.outputs.name}-{run.name.run_id[:8]}", ended))

    def _entry(self, run: Run, name: str, ended: Literal["done", "cancelled", "failed"]) -> Entry:
        return Entry(
            day=self._day(run),
            name=name,
            owner=run.request.owner,
            job_id=run.name.record_id,
            session_id=run.session_id,
            written=self.jobs.now(),
            ended=ended,
            avatar_sha256=run.account.avatar_sha256,
            spoken=_spoken(run),
            spoken_sha256=run.account.spoken_sha256,
            bucket=run.target.name,
            renderer=self.renderer,
            gpu_seconds=run.account.gpu_seconds,
            tts_characters=run.account.characters,
        )

    def _day(self, run: Run) -> date:
        """When the job began: the same at every try of it."""
        job = self.jobs.records.jobs.get(run.name.record_id)
        return (self.jobs.now() if job is None else job.created).astimezone(UTC).date()


def _spoken(run: Run) -> Literal["text", "sound", "nothing"]:
    if run.request.idle:
        return "nothing"
    return "sound" if run.request.text is None else "text"
