"""Sessions whose avatars are prepared by jobs in RunPod's queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from engine.avatar.blocked import BlockList
from engine.avatar.refs import AvatarRefs
from engine.avatar.sources import AvatarSources
from engine.endpoint.client import AsyncRunPodEndpoint
from engine.endpoint.job_state import QueuedJob
from engine.endpoint.preparations import Preparations, creation_of, is_silent
from engine.errors import EngineError
from engine.housekeeping.removal import SessionRemoval
from engine.lifetimes import Lifetimes
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession, DeleteReply
from engine.session_records import (
    begun_again,
    demand_same_avatar,
    existing_session,
    new_session,
    owned_session,
    session_not_found,
)
from engine.store.protocol import ObjectStore

SETTLING = 4
"""Threads that ask the queue about silent preparations: one that doesn't answer holds up no other session's poll."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begun:
    """A session whose job is about to be submitted: its record, which names no job yet, and the one before it."""

    record: SessionRecord
    before: SessionRecord | None

    def is_untouched(self, found: SessionRecord) -> bool:
        """Whether nobody has gone on with the session since."""
        return found.job_id is None and found.status == "preparing" and found.heartbeat == self.record.heartbeat


@dataclass(frozen=True)
class SessionStore:
    """The part of the work that blocks: sessions as they lie in the store. ``now`` gives the time in UTC."""

    store: ObjectStore
    records: Records
    sources: AvatarSources
    lifetimes: Lifetimes
    now: Callable[[], datetime]
    blocked: BlockList

    def begin(self, request: CreateSession, session_id: str) -> Begun | None:
        """Write the record of a session to be prepared; None when that goes on already, or is done.

        Raises Conflict, the errors of the avatar's name, and AvatarBlocked where the session's avatar is known.
        """
        self.sources.demand_possible(request.avatar_video_path, request.owner)
        new = new_session(request, session_id, None, self.now(), self.lifetimes)
        if self.records.sessions.create(new):
            return Begun(new, None)
        found = existing_session(self.records, session_id)
        demand_same_avatar(found, new)
        self.blocked.demand_allowed(found.avatar_sha256)
        return self._begin_again(new)

    def withdraw(self, begun: Begun) -> bool:
        """Put everything back as it was before; False when a worker is at the session nevertheless."""
        session_id = begun.record.session_id
        if begun.before is None:
            gone = self.removal.remove(session_id, begun.is_untouched)
            return gone or self.records.sessions.get(session_id) is None
        before = begun.before
        found = self.records.sessions.update(session_id, lambda old: before if begun.is_untouched(old) else old)
        return found is None or found.status == "error"

    def note_job(self, begun: Begun, job: QueuedJob) -> bool:
        """Write down which job prepares the session, unless one has begun to; False when the session is gone."""
        changes = {"job_id": job.id}
        found = self.records.sessions.update(
            begun.record.session_id, lambda old: old.model_copy(update=changes) if begun.is_untouched(old) else old
        )
        return found is not None

    def owned(self, session_id: str, owner: str | None) -> SessionRecord:
        """Raises SessionNotFound."""
        return owned_session(self.records, session_id, owner)

    def remove(self, session_id: str, owner: str | None) -> DeleteReply:
        """Raises SessionNotFound."""
        if not self.removal.remove(session_id, lambda found: found.owner == owner):
            raise session_not_found(session_id)
        return DeleteReply()

    @property
    def removal(self) -> SessionRemoval:
        return SessionRemoval(self.store, self.records, self.now)

    def _begin_again(self, new: SessionRecord) -> Begun | None:
        """Of those who find the same failed preparation, one begins it again."""
        before: SessionRecord | None = None

        def change(found: SessionRecord) -> SessionRecord:
            nonlocal before
            before = found if self._needs_preparation(found) else None
            return found if before is None else begun_again(found, new)

        record = self.records.sessions.update(new.session_id, change)
        if record is None:
            raise session_not_found(new.session_id)
        return None if before is None else Begun(record, before)

    def _needs_preparation(self, record: SessionRecord) -> bool:
        if record.status == "ready" and record.avatar_key is not None:
            return not AvatarRefs(self.store).is_published(record.avatar_key)
        return record.status == "error"


class QueuedSessions:
    """Creates, finds and settles sessions without a thread of the event loop's being held."""

    def __init__(self, stored: SessionStore, endpoint: AsyncRunPodEndpoint, preparations: Preparations) -> None:
        self._stored = stored
        self._endpoint = endpoint
        self._preparations = preparations
        self._settling = ThreadPoolExecutor(SETTLING, thread_name_prefix="settling")

    async def create(self, request: CreateSession, session_id: str) -> None:
        """Raises what is wrong with the request, and what keeps the queue from taking the job; then nothing is left."""
        begun = await asyncio.to_thread(self._stored.begin, request, session_id)
        if begun is None:
            return
        try:
            job = await self._endpoint.run(creation_of(begun.record))
            log.info("The avatar of session %s is to be prepared by the queue's %s.", begun.record.session_id, job.id)
        except EngineError:
            if await asyncio.to_thread(self._stored.withdraw, begun):
                raise
            # The queue took the job, and only its answer was lost.
            return
        await self._note_job(begun, job)

    async def get(self, session_id: str, owner: str | None) -> SessionRecord:
        """The owner's session, once a preparation that nobody is at any more is settled. Raises SessionNotFound."""
        record = await asyncio.to_thread(self._stored.owned, session_id, owner)
        if not is_silent(record, self._stored.now()):
            return record
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._settling, self._preparations.settle, record)

    async def owned(self, session_id: str, owner: str | None) -> SessionRecord:
        """The owner's session as it stands. Raises SessionNotFound."""
        return await asyncio.to_thread(self._stored.owned, session_id, owner)

    async def remove(self, session_id: str, owner: str | None) -> DeleteReply:
        """Raises SessionNotFound."""
        return await asyncio.to_thread(self._stored.remove, session_id, owner)

    def close(self) -> None:
        self._settling.shutdown(wait=False, cancel_futures=True)

    async def _note_job(self, begun: Begun, job: QueuedJob) -> None:
        try:
            if not await asyncio.to_thread(self._stored.note_job, begun, job):
                await self._endpoint.cancel(job.id)
        except EngineError as error:
            # The job writes its own id when it begins, and one that never does is found out by its silence.
            log.warning("The job of session %s could not be noted: %s", begun.record.session_id, error.message)
