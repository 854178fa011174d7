"""What can be done with a session's record alone: beginning it, finding it, showing it to its caller.

Nothing here reads pictures or sound, so that a server in front of the workers can do it too.
"""

from __future__ import annotations

from datetime import datetime

from engine.avatar.key import canonical_hash
from engine.errors import AvatarBlocked, Conflict, SessionFailed, SessionNotFound, SessionNotReady
from engine.lifetimes import Lifetimes
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession, SessionReply
from engine.starts import next_start

PREPARING = "Session created. Avatar preparation started."
READY = "Session is ready"


def new_session(
    request: CreateSession, session_id: str, job_id: str | None, now: datetime, lifetimes: Lifetimes
) -> SessionRecord:
    """The record of a session whose avatar the job ``job_id`` is to prepare; None: the job has no id yet."""
    options = request.options.chosen()
    return SessionRecord(
        session_id=session_id,
        status="preparing",
        message=PREPARING,
        avatar_source=request.avatar_video_path,
        options=options,
        input_hash=canonical_hash({"avatar_video_path": request.avatar_video_path, **options}),
        owner=request.owner,
        job_id=job_id,
        heartbeat=now,
        expires_at=lifetimes.session_expires_at(now),
        created=now,
        updated=now,
    )


def demand_same_avatar(found: SessionRecord, new: SessionRecord) -> None:
    """Raises Conflict when the session's id is taken by another avatar, or the same one prepared otherwise.

    Where it is another owner's, nothing is said of the session but that its id is taken.
    """
    if found.owner != new.owner:
        raise Conflict(f"The id `{new.session_id}` is taken. Choose another `session_id`, or leave it out.")
    if found.avatar_source != new.avatar_source:
        raise Conflict(f"The session `{new.session_id}` exists with another avatar. Choose another `session_id`.")
    if found.input_hash != new.input_hash:
        raise Conflict(f"The session `{new.session_id}` exists with other options. Choose another `session_id`.")


def begun_again(old: SessionRecord, new: SessionRecord) -> SessionRecord:
    """A preparation that has been lost before stays counted, or one that kills its worker would never end."""
    lost = old.resubmissions if old.status == "preparing" else 0
    is_retry = old.status == "preparing" and old.job_id == new.job_id
    starts = next_start(old) if is_retry else 1
    return new.model_copy(update={"created": old.created, "resubmissions": lost, "starts": starts})


def existing_session(records: Records, session_id: str) -> SessionRecord:
    """Raises SessionNotFound."""
    record = records.sessions.get(session_id)
    if record is None:
        raise session_not_found(session_id)
    return record


def owned_session(records: Records, session_id: str, owner: str | None) -> SessionRecord:
    """As ``existing_session``: another owner's session is as if it weren't there. Raises SessionNotFound."""
    record = existing_session(records, session_id)
    if record.owner != owner:
        raise session_not_found(session_id)
    return record


def avatar_key_of(record: SessionRecord) -> str:
    """The key of the avatar that the session speaks with. Raises SessionNotReady, SessionFailed and AvatarBlocked."""
    if record.error_code == AvatarBlocked.code:
        raise AvatarBlocked(record.message)
    if record.status == "error":
        raise SessionFailed(f"The session's avatar could not be prepared: {record.message}")
    if record.status == "preparing" or record.avatar_key is None:
        raise SessionNotReady("The session is still preparing its avatar. Ask for its status until it is `ready`.")
    return record.avatar_key


def session_not_found(session_id: str) -> SessionNotFound:
    return SessionNotFound(f"There is no session `{session_id}`: it was deleted, or never created.")


def session_reply(record: SessionRecord, renderer: str) -> SessionReply:
    """The session as its caller sees it."""
    return SessionReply(
        session_id=record.session_id,
        status=record.status,
        message=record.message,
        avatar_prepared=record.status == "ready",
        renderer=renderer,
        progress=round(record.progress, 3),
        error_code=record.error_code,
        expires_at=record.expires_at,
        avatar=record.avatar,
    )
