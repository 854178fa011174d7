"""How long sessions, their outputs and uploads are kept, and when each of them expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.records import SessionRecord
from engine.settings import Settings

RENEWAL_STEP = timedelta(minutes=1)
STREAM = timedelta(hours=1)


@dataclass(frozen=True)
class Lifetimes:
    """None keeps for ever. A session is kept for ``session`` after its last use, the others after they are written:
    of a stream its last part."""

    session: timedelta | None
    output: timedelta | None
    upload: timedelta | None
    stream: timedelta = STREAM

    @classmethod
    def of(cls, settings: Settings) -> Lifetimes:
        """The lifetimes that the settings give in seconds, where 0 stands for ever."""
        return cls(
            _lifetime(settings.session_ttl),
            _lifetime(settings.output_ttl),
            _lifetime(settings.upload_ttl),
            timedelta(seconds=settings.stream_ttl),
        )

    def session_expires_at(self, used: datetime) -> datetime | None:
        """When a session that was last used at ``used`` expires; None: never."""
        return _after(used, self.session)

    def renewed(self, expires_at: datetime | None, now: datetime) -> datetime | None:
        """When a session expires that is used now and would have expired at ``expires_at``.

        Uses in quick succession give the same moment, so that they don't all write the session's record: it is
        put off only when that gains more than a tenth of the lifetime or a minute.
        """
        later = self.session_expires_at(now)
        if expires_at is None or later is None or self.session is None:
            return later
        return later if later - expires_at > min(self.session / 10, RENEWAL_STEP) else expires_at

    def output_expires_at(self, made: datetime, session_expires_at: datetime | None) -> datetime | None:
        """When an output that was finished at ``made`` may go at the earliest: by its own age or with its session."""
        moments = [moment for moment in (_after(made, self.output), session_expires_at) if moment is not None]
        return min(moments, default=None)

    def upload_expires_at(self, uploaded: datetime) -> datetime | None:
        """When an upload goes; None: never."""
        return _after(uploaded, self.upload)

    def is_over(self, session: SessionRecord, now: datetime) -> bool:
        """Whether the session has expired. One whose record says nothing of it counts from its last change."""
        if self.session is None:
            return False
        return (session.expires_at or session.updated + self.session) <= now


def _lifetime(seconds: int) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None


def _after(moment: datetime, lifetime: timedelta | None) -> datetime | None:
    return None if lifetime is None else moment + lifetime
