"""Session and job records: JSON objects in the store, changed only by compare-and-set.

Whoever changes a record states the change as a function of the record. When somebody else was first, the function is
applied again to what they left, so no change is lost whichever process or machine it comes from.

A record that much hangs on is removed in two steps: whoever claims it hides it from all others, takes down what hangs
on it, and then deletes it. The claim is a lease of CLAIM: only its holder deletes, and never later than that.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from engine.errors import InternalError, InvalidInput, RecordDamaged
from engine.outages import Overloaded
from engine.owner_index import Entry, OwnerIndex
from engine.reading import damaged, read_as
from engine.record_values import KeyPart, Moment, ToldFailure
from engine.schemas import AvatarInfo, Generated
from engine.store.keys import check_key
from engine.store.protocol import ObjectStore, StoredObject

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ATTEMPTS = 40
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5

CLAIM = timedelta(minutes=10)
"""Who has claimed a record and not deleted it by then is taken to be dead, and another may claim it."""

log = logging.getLogger(__name__)


class Record(BaseModel):
    """What every record has. Times carry their zone; ``heartbeat`` is when its worker last said it was at it.

    ``claimed`` is when somebody began to remove it: it then exists for nobody else.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    heartbeat: Moment
    created: Moment
    updated: Moment
    claimed: Moment | None = None


class OwnedRecord(Record):
    """Something that its owner can list; ``owner`` is None where everybody is let in."""

    owner: str | None = None


class SessionRecord(OwnedRecord):
    """A session: one avatar, being prepared or ready to speak.

    ``avatar_sha256`` is that of the avatar's file, once it was prepared and unless the session is older than the field;
    ``avatar_source`` is what the caller named, ``options`` how it is prepared, ``input_hash`` the hash of both;
    ``progress`` runs from 0 to 1; ``resubmissions`` counts how often another job was asked to take a lost one's place;
    ``starts`` and ``reclaimed`` are its job's, as in JobRecord.
    """

    session_id: str
    status: Literal["preparing", "ready", "error"]
    message: str = ""
    avatar_key: KeyPart | None = None
    avatar_sha256: str | None = None
    avatar_source: str | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    input_hash: str
    progress: float = Field(0.0, ge=0, le=1)
    error_code: str | None = None
    retryable: bool = False
    job_id: str | None = None
    resubmissions: int = Field(0, ge=0)
    starts: int = Field(0, ge=0)
    reclaimed: bool = False
    expires_at: Moment | None = None
    avatar: AvatarInfo | None = None


class AvatarRecord(OwnedRecord):
    """An uploaded avatar, whose file is whole: ``bytes`` of it.

    ``consented`` is when its owner stated that whoever it shows consents; ``avatar`` and ``avatar_keys`` are what has
    become of it, written by those who prepared it.
    """

    avatar_id: str
    bytes: int
    consented: Moment | None = None
    avatar: AvatarInfo | None = None
    avatar_keys: tuple[KeyPart, ...] = ()


class JobRecord(Record):
    """A job: one run of one action. ``heartbeat`` is the lease of the run ``worker``, which began at ``begun``;
    ``progress`` runs from 0 to 1.

    streamed: whether its video is stored in parts while it is made. cancel_asked: its run stops at its next beat.
    starts: how often it was begun since it last came to an end; the last one doesn't count when ``reclaimed``, which
    its run says when its worker has been told to go. outlived: earlier runs that the queue took for lost and that have
    said since then that they go on, so that their starts don't count either.
    """

    job_id: str
    action: str
    owner: str | None = None
    session_id: str | None = None
    input_hash: str
    queue_id: str = ""
    state: Literal["running", "done", "failed", "cancelled"]
    stage: str = ""
    progress: float = Field(0.0, ge=0, le=1)
    attempt: int = Field(1, ge=1)
    starts: int = Field(1, ge=0)
    reclaimed: bool = False
    outlived: tuple[str, ...] = ()
    worker: str | None = None
    begun: Moment | None = None
    streamed: bool = False
    cancel_asked: bool = False
    result: dict[str, Any] | None = None
    error: ToldFailure | None = None

    @field_validator("result")
    @classmethod
    def _as_it_was_made(cls, result: dict[str, Any] | None) -> dict[str, Any] | None:
        if result is not None:
            made = Generated.model_validate(result)
            for name, value in made:
                if name.endswith("_key") and value is not None:
                    check_key(value)
        return result


RecordT = TypeVar("RecordT", bound=Record)
OwnedT = TypeVar("OwnedT", bound=OwnedRecord)


class RecordSet(Generic[RecordT]):
    """The records of one kind, at ``{folder}/{id}.json``.

    Every method raises InvalidInput for an id of another form than `[A-Za-z0-9_-]{1,64}`, RecordDamaged for a record
    that can't be read as its model or has another id than its key, InternalError for one that can't be written, and
    what the store raises.
    """

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        model: type[RecordT],
        id_of: Callable[[RecordT], str],
        clock: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> None:
        self._store = store
        self._folder = folder
        self._model = model
        self._id_of = id_of
        self._clock = clock
        self._pause = pause
        self._changed: Callable[[str], None] = lambda _: None

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have ``changed`` called with the id of every record that is replaced or deleted here, in the same thread."""
        self._changed = changed

    def get(self, record_id: str) -> RecordT | None:
        found = self._store.get(self._key(record_id))
        record = None if found is None else self._parse(found)
        return None if record is None or record.claimed else record

    def create(self, record: RecordT) -> bool:
        """Write a new record; False when its id is taken.

        Waits for a claimed record under that id to go. Raises Overloaded when it doesn't.
        """
        key = self._key(self._id_of(record))
        for attempt in range(_ATTEMPTS):
            if self._store.put_if_absent(key, self._body(key, record), "application/json") is not None:
                return True
            found = self._store.get(key)
            if found is not None and not self._parse(found).claimed:
                return False
            if found is not None and self._is_abandoned(self._parse(found)) and self._put(key, record, found.info.etag):
                return True
            self._rest(attempt)
        raise Overloaded("What had this id is still being removed. Try again in a moment.")

    def update(self, record_id: str, change: Callable[[RecordT], RecordT]) -> RecordT | None:
        """Replace the record by ``change(record)`` with ``updated`` set to now; None when there is no such record.

        ``change`` is called again whenever somebody else was first; nothing is written when it returns an equal
        record. Raises Overloaded when somebody else is first again and again.
        """
        return self._change(record_id, lambda record: None if record.claimed else change(record))

    def claim(self, record_id: str, unwanted: Callable[[RecordT], bool]) -> RecordT | None:
        """Hide the record from everybody else if ``unwanted`` says so of it; None when it stays or isn't there.

        Whoever gets it deletes it before CLAIM is over. Raises Overloaded as ``update`` does.
        """
        now = self._clock()

        def claimed(record: RecordT) -> RecordT | None:
            return record.model_copy(update={"claimed": now}) if self._may_claim(record, unwanted) else None

        return self._change(record_id, claimed)

    def claimable(self, unwanted: Callable[[RecordT], bool]) -> Iterator[RecordT]:
        """Every record that ``claim`` would give away now: unwanted ones, and those left over from earlier claims."""
        return (record for record in self._all() if self._may_claim(record, unwanted))

    def delete(self, record_id: str) -> None:
        try:
            self._store.delete(self._key(record_id))
        finally:
            self._changed(record_id)

    def list(self) -> Iterator[RecordT]:
        """Every record, in order of ids. One that can't be read is logged and left out, so that it hides no other."""
        return (record for record in self._all() if not record.claimed)

    def _all(self) -> Iterator[RecordT]:
        for info in self._store.list(f"{self._folder}/"):
            found = self._store.get(info.key) if self._is_record(info.key) else None
            if found is None:
                continue
            try:
                yield self._parse(found)
            except RecordDamaged as error:
                log.error(error.message)

    def _change(self, record_id: str, change: Callable[[RecordT], RecordT | None]) -> RecordT | None:
        """As ``update``, of any record; None also when ``change`` returns it."""
        key = self._key(record_id)
        for attempt in range(_ATTEMPTS):
            found = self._store.get(key)
            if found is None:
                return None
            current = self._parse(found)
            wanted = change(current)
            if wanted is None or wanted == current:
                return wanted
            written = self._replace(key, record_id, wanted, found.info.etag)
            if written is not None:
                return written
            self._rest(attempt)
        raise Overloaded("Too many are changing this at the same time. Try again in a moment.")

    def _replace(self, key: str, record_id: str, record: RecordT, etag: str) -> RecordT | None:
        if self._id_of(record) != record_id:
            raise InternalError(f"A change of the record {key} would give it another id.")
        stamped = record.model_copy(update={"updated": self._clock()})
        return stamped if self._put(key, stamped, etag) else None

    def _put(self, key: str, record: RecordT, etag: str) -> bool:
        try:
            return self._store.put_if_match(key, self._body(key, record), etag, "application/json") is not None
        finally:
            # Also where the store's answer was lost.
            self._changed(self._id_of(record))

    def _may_claim(self, record: RecordT, unwanted: Callable[[RecordT], bool]) -> bool:
        return self._is_abandoned(record) if record.claimed else unwanted(record)

    def _is_abandoned(self, record: RecordT) -> bool:
        return record.claimed is not None and self._clock() - record.claimed > CLAIM

    def _rest(self, attempt: int) -> None:
        self._pause(min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))

    def _body(self, key: str, record: RecordT) -> bytes:
        """The record as JSON. It is checked once more because copies of a record are made unchecked."""
        try:
            return self._model.model_validate(dict(record)).model_dump_json().encode()
        except ValueError as error:
            raise InternalError(f"The record {key} would not be readable if it were written.") from error

    def _parse(self, found: StoredObject) -> RecordT:
        record = read_as(self._model, found)
        # One that lies in another's place would have the other one changed, and removed, for its sake.
        if found.info.key != f"{self._folder}/{self._id_of(record)}.json":
            raise damaged(found)
        return record

    def _key(self, record_id: str) -> str:
        if not _ID.fullmatch(record_id):
            raise InvalidInput("An id has 1 to 64 characters out of letters, digits, '-' and '_'.")
        return f"{self._folder}/{record_id}.json"

    def _is_record(self, key: str) -> bool:
        name = key.removeprefix(f"{self._folder}/")
        return name.endswith(".json") and _ID.fullmatch(name.removesuffix(".json")) is not None


class ListedRecords(RecordSet[OwnedT]):
    """Records that have their entries in the index of what each owner has, as things of the kind ``folder``."""

    def create(self, record: OwnedT) -> bool:
        self._key(self._id_of(record))
        entry = self.entry(record)
        self.index.add(entry)
        created = super().create(record)
        if not created and ((found := self.get(entry.thing_id)) is None or self.entry(found) != entry):
            self.index.remove(entry)
        return created

    def delete(self, record_id: str) -> None:
        found = self._store.get(self._key(record_id))
        super().delete(record_id)
        if found is not None:
            self.index.remove(self.entry(self._parse(found)))

    def entry(self, record: OwnedT) -> Entry:
        """The record's entry in the index."""
        return Entry.of(self._folder, record.owner, self._id_of(record), record.created)

    def found(self, entry: Entry) -> OwnedT | None:
        """The record that the entry is of; None when it isn't there."""
        record = self.get(entry.thing_id)
        return None if record is None or self.entry(record) != entry else record

    @property
    def kind(self) -> str:
        """What its entries are of."""
        return self._folder

    @property
    def index(self) -> OwnerIndex:
        return OwnerIndex(self._store)


def sleep_up_to(seconds: float) -> None:
    """Sleep for a time drawn evenly from 0 to ``seconds``, so that those who collided don't meet again."""
    time.sleep(SystemRandom().uniform(0, seconds))


class Records:
    """All records of a store. ``clock`` gives the time with its zone; ``pause`` sleeps up to so many seconds."""

    def __init__(
        self, store: ObjectStore, clock: Callable[[], datetime], pause: Callable[[float], None] = sleep_up_to
    ) -> None:
        self.sessions = ListedRecords(store, "sessions", SessionRecord, lambda record: record.session_id, clock, pause)
        self.avatars = ListedRecords(store, "uploaded", AvatarRecord, lambda record: record.avatar_id, clock, pause)
        self.jobs = RecordSet(store, "jobs", JobRecord, lambda record: record.job_id, clock, pause)

    def is_stray(self, entry: Entry) -> bool:
        """Whether what the index's entry is of isn't there."""
        if entry.kind == self.sessions.kind:
            return self.sessions.found(entry) is None
        return entry.kind == self.avatars.kind and self.avatars.found(entry) is None
