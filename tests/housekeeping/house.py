"""A store, what a worker has put into it, and a housekeeper who looks after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.avatar.cache import BundleCache
from engine.avatar.library import AvatarLibrary
from engine.avatar.preparation import Preparation
from engine.cancel import CancelToken
from engine.housekeeping.housekeeper import Housekeeper
from engine.lifetimes import Lifetimes
from engine.records import JobRecord, Records, SessionRecord
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from tests.avatar.studio import LIMITS, OPTIONS, FixedBox, silent

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LIFETIMES = Lifetimes(session=DAY, output=DAY, upload=HOUR)
KEY = "a" * 64


@dataclass
class House:
    """``now`` is the time of the workers and of the housekeeper; objects bear the real time of their writing.

    pauses: how long those who waited for a record would have slept.
    """

    folder: Path
    store: ObjectStore
    lifetimes: Lifetimes = LIFETIMES
    protected: frozenset[str] = frozenset()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = Records(self.store, self.clock, self.pauses.append)
        cache = BundleCache(self.folder / "cache", 100_000_000)
        self.library = AvatarLibrary(self.store, cache, Preparation(FixedBox(), LIMITS), self.folder / "scratch")

    @classmethod
    def local(cls, folder: Path, lifetimes: Lifetimes = LIFETIMES) -> House:
        return cls(folder, LocalStore(folder / "store"), lifetimes)

    @property
    def housekeeper(self) -> Housekeeper:
        return Housekeeper(
            self.store, self.records, self.library, self.lifetimes, lambda: self.protected, lambda: self.now
        )

    def clock(self) -> datetime:
        return self.now

    def session(self, session_id: str, avatar_key: str | None = None, **changes: object) -> SessionRecord:
        """A ready session that expires in a day, and its avatar's note of it."""
        fields = {
            "session_id": session_id,
            "status": "ready",
            "avatar_key": avatar_key,
            "input_hash": "hash",
            "heartbeat": self.now,
            "created": self.now,
            "updated": self.now,
            "expires_at": self.now + DAY,
        }
        record = SessionRecord.model_validate(fields | changes)
        assert self.records.sessions.create(record)
        if avatar_key is not None:
            self.library.add_ref(avatar_key, session_id)
        return record

    def job(self, job_id: str, state: str = "done") -> JobRecord:
        fields = {
            "job_id": job_id,
            "action": "generate",
            "input_hash": "hash",
            "state": state,
            "heartbeat": self.now,
            "created": self.now,
            "updated": self.now,
        }
        record = JobRecord.model_validate(fields)
        assert self.records.jobs.create(record)
        return record

    def avatar(self, clip: Path) -> str:
        """The key of the avatar made of the video."""
        return self.library.prepare(clip, OPTIONS, silent, CancelToken()).key

    def put(self, *keys: str) -> None:
        for key in keys:
            self.store.put(key, b"content")

    def stored(self, prefix: str = "") -> list[str]:
        return [item.key for item in self.store.list(prefix)]


def always(_: SessionRecord) -> bool:
    return True


def renewing(house: House, session_id: str) -> Callable[[SessionRecord], bool]:
    """A judgment as the housekeeper's, during which somebody uses the session for the first time."""
    used = False

    def is_over(record: SessionRecord) -> bool:
        nonlocal used
        over = house.lifetimes.is_over(record, house.now)
        if not used:
            used = True
            changes = {"expires_at": house.lifetimes.session_expires_at(house.now)}
            assert house.records.sessions.update(session_id, lambda old: old.model_copy(update=changes))
        return over

    return is_over
