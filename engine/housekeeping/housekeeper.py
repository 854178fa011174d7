"""Removes from the store what nobody needs any more.

Safe beside workers and beside other housekeepers: what might be in use is looked at once more just before it goes, and
sessions and avatars are taken down by compare-and-set. A sweep that is interrupted leaves nothing that the next one
doesn't find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from engine.avatar.library import GRACE, AvatarLibrary
from engine.cancel import CancelToken
from engine.housekeeping.avatars import Ref, default_avatar_keys, refs_before
from engine.housekeeping.removal import SessionRemoval
from engine.housekeeping.round import Round
from engine.housekeeping.rules import Rule, aged, jobs_of, rules
from engine.housekeeping.uploads import UploadRemoval
from engine.lifetimes import Lifetimes
from engine.owner_index import Entry, OwnerIndex
from engine.records import Records, SessionRecord
from engine.settings import Settings
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo, ObjectStore

CLOCKS_APART = timedelta(minutes=1)
"""The clocks of the store and of the workers may differ: nothing goes before the time that its owner was told."""

AT_WORK = timedelta(hours=1)
"""How long a job is believed to go on, or to be handed out again, after its last heartbeat."""


@dataclass(frozen=True)
class Swept:
    """How many of each a sweep has removed. outputs: folders of jobs, or of whole sessions that are no more;
    streams: folders; uploaded: records of uploads that are no more, or a picture alone; entries: of what is no more in
    its owner's index; refs: notes that a session uses an avatar; failures: what was left because of an error."""

    sessions: int
    outputs: int
    uploads: int
    jobs: int
    streams: int
    workers: int
    proofs: int
    requests: int
    uploaded: int
    entries: int
    refs: int
    avatars: int
    failures: int


@dataclass(frozen=True)
class Housekeeper:
    """``protected`` gives the keys of the avatars that stay in any case; ``clock`` gives the time in UTC."""

    store: ObjectStore
    records: Records
    library: AvatarLibrary
    lifetimes: Lifetimes
    protected: Callable[[], frozenset[str]]
    clock: Callable[[], datetime]

    @classmethod
    def of(
        cls,
        settings: Settings,
        store: ObjectStore,
        records: Records,
        library: AvatarLibrary,
        clock: Callable[[], datetime],
    ) -> Housekeeper:
        """The housekeeper that the settings ask for; the default avatar stays."""
        protected = partial(default_avatar_keys, library, settings.default_avatar)
        return cls(store, records, library, Lifetimes.of(settings), protected, clock)

    @property
    def removal(self) -> SessionRemoval:
        """How sessions go."""
        return SessionRemoval(self.store, self.records, self.clock)

    def sweep(self, now: datetime, cancel: CancelToken | None = None) -> Swept:
        """Remove what has expired by ``now``. What fails is logged, counted and left for the next sweep.

        Raises the store's error when it fails again and again, and Cancelled.
        """
        round_ = Round(cancel or CancelToken())
        sessions = self._sweep_sessions(round_, now)
        removed = {rule.folder: self._sweep_aged(round_, rule, now) for rule in rules(self.lifetimes)}
        orphaned = self._sweep_orphaned_outputs(round_, now)
        self._sweep_half_written(round_)
        return Swept(
            sessions=sessions,
            outputs=removed.get("outputs", 0) + orphaned,
            uploads=removed.get("uploads", 0),
            jobs=removed.get("jobs", 0),
            streams=removed["streams"],
            workers=removed["workers"],
            proofs=removed["proofs"],
            requests=removed["requests"],
            uploaded=self._sweep_uploaded(round_, now),
            entries=self._sweep_entries(round_, now),
            refs=self._sweep_refs(round_, now),
            avatars=self._collect_avatars(round_, now),
            failures=round_.failures,
        )

    def _sweep_sessions(self, round_: Round, now: datetime) -> int:
        def is_over(record: SessionRecord) -> bool:
            return self.lifetimes.is_over(record, now)

        def due() -> Iterator[str]:
            return (record.session_id for record in self.records.sessions.claimable(is_over))

        return round_.each("session", due, lambda session_id: self.removal.remove(session_id, is_over))

    def _sweep_aged(self, round_: Round, rule: Rule, now: datetime) -> int:
        moment = now - rule.after - CLOCKS_APART
        return round_.each(
            rule.folder,
            lambda: aged(self.store.list(rule.prefix), rule, moment),
            lambda name: not self._is_at_work(name, now) and self._remove(name, moment),
        )

    def _sweep_orphaned_outputs(self, round_: Round, now: datetime) -> int:
        """Outputs of sessions that are no more, which a removal or a job that was interrupted has left."""
        rule, moment = Rule("outputs", GRACE, depth=1), now - GRACE

        def is_orphaned(name: str) -> bool:
            return name.endswith("/") and self.records.sessions.get(name.split("/")[1]) is None

        return round_.each(
            "outputs",
            lambda: aged(self.store.list(rule.prefix), rule, moment),
            lambda name: is_orphaned(name) and self._remove(name, moment),
        )

    def _sweep_half_written(self, round_: Round) -> None:
        if isinstance(self.store, LocalStore):
            with round_.surviving("half-written files"):
                self.store.sweep()

    def _sweep_uploaded(self, round_: Round, now: datetime) -> int:
        """Records of uploads whose files have gone by their age, and pictures of uploads that are no more."""
        removal = UploadRemoval(self.store, self.records)

        def due() -> Iterator[str]:
            return (record.avatar_id for record in self.records.avatars.claimable(removal.is_left))

        records = round_.each("upload", due, removal.remove_left)
        return records + round_.each(
            "picture", lambda: removal.pictures_before(now - GRACE), removal.remove_stray_picture
        )

    def _sweep_entries(self, round_: Round, now: datetime) -> int:
        """Entries of things that aren't there: what an interrupted creation or removal has left."""
        index = OwnerIndex(self.store)

        def settled() -> Iterator[Entry]:
            return (entry for entry in index.everybodys() if entry.is_settled(now))

        def remove(entry: Entry) -> bool:
            if not self.records.is_stray(entry):
                return False
            index.remove(entry)
            return True

        return round_.each("entry", settled, remove)

    def _sweep_refs(self, round_: Round, now: datetime) -> int:
        """References of sessions that are no more, or don't speak with that avatar: they'd keep it for ever."""
        return round_.each(
            "reference", lambda: refs_before(self.store, now - GRACE), lambda ref: self._remove_if_dangling(ref, now)
        )

    def _remove_if_dangling(self, ref: Ref, now: datetime) -> bool:
        if self._is_needed(ref, now):
            return False
        self.library.remove_ref(ref.avatar_key, ref.session_id)
        if not self._is_needed(ref, now):
            return True
        # A preparation that began again meanwhile may have made its note before this one was removed.
        self.library.add_ref(ref.avatar_key, ref.session_id)
        return False

    def _is_needed(self, ref: Ref, now: datetime) -> bool:
        """Whether the session speaks with the avatar, or is at work at a preparation: that notes its use beforehand."""
        session = self.records.sessions.get(ref.session_id)
        if session is None or session.avatar_key == ref.avatar_key:
            return session is not None
        return session.status == "preparing" and now - session.heartbeat < AT_WORK

    def _collect_avatars(self, round_: Round, now: datetime) -> int:
        with round_.surviving("avatars"):
            return len(self.library.collect(now, GRACE, self.protected()))
        return 0

    def _is_at_work(self, name: str, now: datetime) -> bool:
        """Whether a job is making the outputs in the folder ``name``."""
        jobs = [self.records.jobs.get(job_id) for job_id in jobs_of([name])]
        return any(job is not None and job.state == "running" and now - job.heartbeat < AT_WORK for job in jobs)

    def _remove(self, name: str, moment: datetime) -> bool:
        """Remove an object, or a folder with all its objects, unless it was written to since ``moment``."""
        objects = list(self._objects(name))
        if any(item.modified >= moment for item in objects):
            return False
        for item in objects:
            self.store.delete(item.key)
        return bool(objects)

    def _objects(self, name: str) -> Iterator[ObjectInfo]:
        if name.endswith("/"):
            yield from self.store.list(name)
        elif (info := self.store.head(name)) is not None:
            yield info
