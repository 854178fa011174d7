"""How a session goes: nobody who uses it at that moment loses it, and nobody finds half of it.

Its record is first claimed, by compare-and-set, which decides against everybody who changes it at the same time: from
then on the session doesn't exist for its callers. Then go the streams of its jobs, its outputs, the avatar's
reference to it, and last the record. Whoever is interrupted leaves the claim, and a later sweep goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.avatar.refs import AvatarRefs
from engine.housekeeping.rules import jobs_of
from engine.outages import Interrupted
from engine.records import Records, SessionRecord
from engine.store.protocol import ObjectStore
from engine.streams.layout import stream_folder

HELD = timedelta(minutes=2)
"""Nothing is begun later than this after the claim. Requests that are then under way end long before the claim does,
so that no remover reaches into a session that was created anew under the same id."""


@dataclass(frozen=True)
class SessionRemoval:
    """Removes sessions. ``clock`` gives the time in UTC, as that of ``records`` does."""

    store: ObjectStore
    records: Records
    clock: Callable[[], datetime]

    def remove(self, session_id: str, unwanted: Callable[[SessionRecord], bool] = lambda _: True) -> bool:
        """Remove the session if ``unwanted`` says so of its record as it is then; True when it went.

        False when it stays, isn't there, or somebody else is removing it. Raises Interrupted when it takes too long,
        and what the store raises: the session is gone for its callers nevertheless, and a sweep removes the rest.
        """
        record = self.records.sessions.claim(session_id, unwanted)
        if record is None:
            return False
        outputs = [item.key for item in self.store.list(f"outputs/{session_id}/")]
        # Before the outputs, whose keys alone name the jobs.
        for job_id in sorted(jobs_of(outputs)):
            stream = [item.key for item in self.store.list(stream_folder(job_id))]
            # stream.json, which says what else is there, is the last key and goes first.
            self._delete(record, reversed(stream))
        self._delete(record, outputs)
        self._demand_held(record)
        if record.avatar_key is not None:
            AvatarRefs(self.store).remove(record.avatar_key, session_id)
        self._demand_held(record)
        self.records.sessions.delete(session_id)
        return True

    def _delete(self, record: SessionRecord, keys: Iterable[str]) -> None:
        for key in keys:
            self._demand_held(record)
            self.store.delete(key)

    def _demand_held(self, record: SessionRecord) -> None:
        if record.claimed is None or self.clock() - record.claimed > HELD:
            raise Interrupted("Removing the session took too long. A later sweep goes on with it.")
