"""Preparations whose worker has gone silent: each is left to the queue, begun once more, or given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Literal

from pydantic import JsonValue

from engine.endpoint.client import RunPodEndpoint
from engine.endpoint.job_state import JobError, JobState, QueuedJob
from engine.errors import ConfigurationError, EngineError, InternalError, SessionNotFound
from engine.outages import Overloaded, PreparationInterrupted, QueueUnavailable
from engine.records import Records, SessionRecord

SILENCE = timedelta(seconds=60)
"""A job at work says so far more often than this."""

OUTAGE = timedelta(minutes=10)
"""How long a silent preparation waits for a queue that doesn't answer."""

LOOK_AGAIN = timedelta(seconds=5)
"""For how long all pollers of a session take the queue's word that its job is still there."""

MOST_RESUBMISSIONS = 1

log = logging.getLogger(__name__)

QueuesWord = JobState | None | Literal["unknown", "no_answer"]
"""What the queue says of a job: how it is, or that there is none (None). ``unknown``: it can't be asked, because the
service has no endpoint and key, or wrong ones. ``no_answer``: it is away for the moment."""


@dataclass(frozen=True)
class Leave:
    """The preparation goes on, or may yet."""


@dataclass(frozen=True)
class Resubmit:
    """Nobody is at it: another job has to take its place."""


@dataclass(frozen=True)
class GiveUp:
    """The session has to end in this error."""

    code: str
    message: str
    retryable: bool


Verdict = Leave | Resubmit | GiveUp

INTERRUPTED = GiveUp(
    PreparationInterrupted.code,
    "The preparation of the session's avatar was interrupted. Create the session again.",
    PreparationInterrupted.retryable,
)


def is_silent(record: SessionRecord, now: datetime) -> bool:
    """Whether the session is being prepared by somebody who has said nothing for too long."""
    return record.status == "preparing" and now - record.heartbeat >= SILENCE


def judge(record: SessionRecord, now: datetime, state: QueuesWord) -> Verdict:
    """What has to happen to the session, by what the queue says of its job.

    A job that has ended and left its session ``preparing`` has done nothing for it, unless its error is one of the
    avatar's own: the same would come of another try. A cancelled job was not wanted any more.
    """
    if not is_silent(record, now):
        return Leave()
    match state:
        case "unknown":
            return INTERRUPTED
        case "no_answer":
            return Leave() if now - record.heartbeat < OUTAGE else INTERRUPTED
        case JobState(final=False):
            return Leave()
        case JobState(status="CANCELLED"):
            return INTERRUPTED
        case JobState(error=JobError() as error) if not error.retryable and error.code != InternalError.code:
            return GiveUp(error.code, error.message, error.retryable)
    return Resubmit() if record.resubmissions < MOST_RESUBMISSIONS else INTERRUPTED


@dataclass(frozen=True)
class _Changed:
    """A session's record as it is now; ``mine``: by a change that was made here."""

    record: SessionRecord
    mine: bool


class Preparations:
    """Settles silent preparations. ``now`` gives the time with its zone; without ``endpoint`` all are given up.

    May be used by several threads, processes and machines at once: of those who find the same silent preparation, one
    submits another job.
    """

    def __init__(self, records: Records, endpoint: RunPodEndpoint | None, now: Callable[[], datetime]) -> None:
        self._sessions = records.sessions
        self._endpoint = endpoint
        self._now = now
        self._left: dict[str, datetime] = {}
        self._leaving = Lock()

    def settle(self, record: SessionRecord) -> SessionRecord:
        """The session as it is after what had to happen to it: ``record`` itself when nothing had.

        Asks the queue only about a session that is silent. Raises SessionNotFound when the session is deleted
        meanwhile, and what the store raises.
        """
        now = self._now()
        if not is_silent(record, now) or self._is_left(record, now):
            return record
        match judge(record, now, self._ask(record)):
            case Leave():
                self._leave(record, now)
                return record
            case Resubmit():
                return self._resubmit(record, now)
            case GiveUp() as given_up:
                return self._give_up(record, given_up)

    def _ask(self, record: SessionRecord) -> QueuesWord:
        if self._endpoint is None:
            return "unknown"
        if record.job_id is None:
            return None
        try:
            return self._endpoint.status(record.job_id)
        except (QueueUnavailable, Overloaded) as error:
            log.warning("A silent preparation can't be looked up: %s", error.message)
            return "no_answer"
        except ConfigurationError as error:
            log.error("A silent preparation can't be looked up: %s", error.message)
            return "unknown"

    def _resubmit(self, judged: SessionRecord, now: datetime) -> SessionRecord:
        """Count the resubmission first: whoever finds it counted leaves the submission to who counted it."""
        counted = {"resubmissions": judged.resubmissions + 1, "heartbeat": now}
        marked = self._change(judged, counted)
        if not marked.mine:
            return marked.record
        try:
            job = self._submit(marked.record)
        except EngineError as error:
            log.error("A lost preparation could not be submitted again: %s", error.message)
            return self._give_up(marked.record, INTERRUPTED)
        return self._follow(marked.record, job)

    def _submit(self, record: SessionRecord) -> QueuedJob:
        assert self._endpoint is not None, "without an endpoint no preparation is submitted again"
        return self._endpoint.run(creation_of(record))

    def _follow(self, marked: SessionRecord, job: QueuedJob) -> SessionRecord:
        """Write down which job prepares the session now, unless that has begun and written it down itself."""
        log.info("Another job prepares the avatar of a session whose job was lost.")
        try:
            return self._change(marked, {"job_id": job.id}).record
        except SessionNotFound:
            self._cancel(job.id)
            raise

    def _cancel(self, job_id: str) -> None:
        assert self._endpoint is not None, "without an endpoint there is no job to cancel"
        try:
            self._endpoint.cancel(job_id)
        except EngineError as error:
            log.warning("A job of a deleted session could not be cancelled: %s", error.message)

    def _give_up(self, judged: SessionRecord, given_up: GiveUp) -> SessionRecord:
        changes = {
            "status": "error",
            "message": given_up.message,
            "error_code": given_up.code,
            "retryable": given_up.retryable,
        }
        return self._change(judged, changes).record

    def _change(self, judged: SessionRecord, changes: dict[str, object]) -> _Changed:
        """Make the changes, unless somebody has gone on with the session since it was judged."""
        mine = False

        def change(found: SessionRecord) -> SessionRecord:
            nonlocal mine
            mine = _same_preparation(found, judged)
            return found.model_copy(update=changes) if mine else found

        record = self._sessions.update(judged.session_id, change)
        if record is None:
            raise SessionNotFound(f"There is no session `{judged.session_id}`: it was deleted.")
        return _Changed(record, mine)

    def _is_left(self, record: SessionRecord, now: datetime) -> bool:
        left = self._left.get(record.session_id)
        return left is not None and now - left < LOOK_AGAIN

    def _leave(self, record: SessionRecord, now: datetime) -> None:
        with self._leaving:
            recent = {session: at for session, at in self._left.items() if now - at < LOOK_AGAIN}
            self._left = {**recent, record.session_id: now}


def creation_of(record: SessionRecord) -> dict[str, JsonValue]:
    """The input of a job that prepares the session's avatar, and doesn't make a deleted session anew."""
    return {
        "action": "create_session",
        "session_id": record.session_id,
        "begun": True,
        "avatar_video_path": record.avatar_source,
        **({} if record.owner is None else {"owner": record.owner}),
        **record.options,
    }


def _same_preparation(found: SessionRecord, judged: SessionRecord) -> bool:
    """Whether nobody has gone on with the preparation, or begun or ended it, since it was judged."""
    return (
        found.status == judged.status
        and found.heartbeat == judged.heartbeat
        and found.job_id == judged.job_id
        and found.resubmissions == judged.resubmissions
    )
