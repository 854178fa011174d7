"""Sessions: an avatar prepared under an id, ready to speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from engine.avatar.blocked import BlockList, avatar_blocked
from engine.avatar.bundle import PreparedAvatar
from engine.avatar.key import file_sha256
from engine.avatar.library import AvatarLibrary
from engine.avatar.sources import AvatarSource, AvatarSources
from engine.avatar.uploaded import UploadNotes
from engine.cancel import Cancelled, CancelToken
from engine.endpoint.preparations import Preparations
from engine.errors import EngineError, InternalError, SessionNotFound
from engine.housekeeping.avatars import default_avatar_keys, forget_avatar
from engine.housekeeping.removal import SessionRemoval
from engine.housekeeping.uploads import UploadRemoval
from engine.lifetimes import Lifetimes
from engine.lipsync.options import PreparationOptions
from engine.outages import Interrupted
from engine.pulse import beating
from engine.records import Records, SessionRecord
from engine.schemas import AvatarInfo, CreateSession, DeleteReply, FaceBox, SessionReply
from engine.session_records import (
    READY,
    avatar_key_of,
    begun_again,
    demand_same_avatar,
    existing_session,
    new_session,
    owned_session,
    session_not_found,
    session_reply,
)
from engine.starts import Reclaim, demand_survivable
from engine.store.disk import disk_errors
from engine.store.protocol import ObjectStore

PULSE_SECONDS = 3.0
"""How often a job that is at work says so in its record, and looks whether its session is still wanted."""

Report = Callable[[str, float], None]
"""Told the stage that runs and the share of the whole work that is done, 0 to 1."""


@dataclass
class Standing:
    """How far a job is: told to ``report`` at once, and read by the job's pulse for its record."""

    report: Report
    stage: str = ""
    share: float = 0.0

    def told(self, stage: str, share: float) -> None:
        self.stage, self.share = stage, share
        self.report(stage, share)


@dataclass(frozen=True)
class Sessions:
    """Creates, reads and deletes sessions. ``now`` gives the time in UTC."""

    store: ObjectStore
    records: Records
    library: AvatarLibrary
    sources: AvatarSources
    preparations: Preparations
    lifetimes: Lifetimes
    renderer: str
    now: Callable[[], datetime]
    blocked: BlockList
    reclaim: Reclaim = field(default_factory=Reclaim)

    def create(
        self, request: CreateSession, session_id: str, job_id: str, scratch: Path, report: Report, cancel: CancelToken
    ) -> SessionReply:
        """Make the session and prepare its avatar; the same request again finds the session as it is.

        Raises Conflict when the id is taken by another avatar, SessionNotFound when the session had begun and was
        deleted since, KeepsCrashing when it was begun too often, and everything that keeps an avatar from being
        prepared; the session then has the status ``error`` with that message.
        """
        source = self._source(request, session_id, job_id)
        record = self._begin(request, session_id, job_id)
        if record.status == "ready":
            self._demand_allowed(record)
            return self.reply(record)
        standing = Standing(report)
        beat = partial(self._beat, session_id, job_id, standing, cancel)
        with self._ending(session_id, job_id), beating(beat, PULSE_SECONDS):
            demand_survivable(record.starts)
            file = source.file(scratch, cancel)
            with disk_errors():
                source_sha256 = file_sha256(file, cancel)
            self.blocked.demand_allowed(source_sha256)
            avatar = self.library.prepare(file, request.options, standing.told, cancel)
            while not self.library.add_ref(avatar.key, session_id):
                avatar = self.library.prepare(file, request.options, standing.told, cancel)
            info = avatar_info(avatar, self._unheeded(request.options))
            self.uploads.note_prepared(request.avatar_video_path, request.owner, avatar, info)
            return self.reply(self._finish(session_id, avatar, source_sha256, info))

    def get(self, session_id: str) -> SessionRecord:
        """The session, once a preparation whose worker has gone silent is settled. Raises SessionNotFound."""
        return self.preparations.settle(existing_session(self.records, session_id))

    def owned(self, session_id: str, owner: str | None) -> SessionRecord:
        """As ``get``, of the owner's sessions alone. Raises SessionNotFound."""
        return self.preparations.settle(owned_session(self.records, session_id, owner))

    def use(self, session_id: str) -> SessionRecord:
        """The session with its life renewed. Raises SessionNotFound."""
        now = self.now()

        def renewed(record: SessionRecord) -> SessionRecord:
            return record.model_copy(update={"expires_at": self.lifetimes.renewed(record.expires_at, now)})

        return self._update(session_id, renewed)

    def exists(self, session_id: str) -> bool:
        return self.records.sessions.get(session_id) is not None

    def avatar_key(self, session_id: str, owner: str | None) -> str:
        """The key of the avatar that the owner's session speaks with.

        Raises SessionNotFound, SessionNotReady, SessionFailed and AvatarBlocked.
        """
        record = self.owned(session_id, owner)
        key = avatar_key_of(record)
        self._demand_allowed(record)
        return key

    def delete(self, session_id: str, forget_avatar: bool = False) -> DeleteReply:
        """Forget the session and remove what was made in it. Raises SessionNotFound.

        forget_avatar: its upload goes too, and so does the prepared face unless another session uses it. Otherwise
        the upload goes by its age, and the face when it has not been used for a while.
        """
        record = self.records.sessions.get(session_id)
        if record is None or not SessionRemoval(self.store, self.records, self.now).remove(session_id):
            raise session_not_found(session_id)
        if forget_avatar:
            self._forget_avatar(record)
        return DeleteReply()

    def reply(self, record: SessionRecord) -> SessionReply:
        """The session as its caller sees it."""
        return session_reply(record, self.renderer)

    @property
    def uploads(self) -> UploadNotes:
        """Where it is noted what becomes of uploads."""
        protected = partial(default_avatar_keys, self.library, self.sources.default)
        return UploadNotes(self.store, self.records, protected)

    def _forget_avatar(self, record: SessionRecord) -> None:
        source = record.avatar_source
        if source is not None and (upload := self.sources.upload_key(source, record.owner)) is not None:
            UploadRemoval(self.store, self.records).delete(source, record.owner)
            self.store.delete(upload)
        if record.avatar_key is not None:
            forget_avatar(self.library, record.avatar_key, default_avatar_keys(self.library, self.sources.default))

    def _demand_allowed(self, record: SessionRecord) -> None:
        """Raises AvatarBlocked. The file of an old session's avatar is known by the key alone."""
        self.blocked.demand_allowed(record.avatar_sha256)
        if record.avatar_sha256 is None and self.blocked.hashes:
            options = PreparationOptions.model_validate(record.options)
            if record.avatar_key in {self.library.key_of_hash(each, options) for each in self.blocked.hashes}:
                raise avatar_blocked()

    def _source(self, request: CreateSession, session_id: str, job_id: str) -> AvatarSource:
        """A session whose record was written before its job began ends when the avatar's name is wrong."""
        try:
            return self.sources.find(request.avatar_video_path, request.owner)
        except EngineError as error:
            self._fail(session_id, job_id, error)
            raise

    def _begin(self, request: CreateSession, session_id: str, job_id: str) -> SessionRecord:
        record = new_session(request, session_id, job_id, self.now(), self.lifetimes)
        new = record.model_copy(update={"starts": 1})
        if not request.begun and self.records.sessions.create(new):
            return new
        found = self.get(session_id)
        demand_same_avatar(found, new)
        if found.status == "ready" and found.avatar_key and self.library.exists(found.avatar_key):
            return self.use(session_id)
        return self._update(session_id, lambda old: begun_again(old, new))

    def _finish(self, session_id: str, avatar: PreparedAvatar, source_sha256: str, info: AvatarInfo) -> SessionRecord:
        changes = {
            "status": "ready",
            "message": READY,
            "progress": 1.0,
            "avatar_key": avatar.key,
            "avatar_sha256": source_sha256,
            "avatar": info,
            "error_code": None,
            "updated": self.now(),
        }
        record = self.records.sessions.update(session_id, lambda old: old.model_copy(update=changes))
        if record is None:
            self.library.remove_ref(avatar.key, session_id)
            raise _deleted()
        return record

    def _unheeded(self, options: PreparationOptions) -> list[str]:
        names = options.unheeded(self.library.preparation.preparer.heeds)
        return [f"`{name}` has no effect on the renderer `{self.renderer}`." for name in names]

    def _beat(self, session_id: str, job_id: str, standing: Standing, cancel: CancelToken) -> None:
        """Keep the record alive; stop the preparation when its session has been deleted."""
        changes = {"progress": standing.share, "heartbeat": self.now(), "reclaimed": self.reclaim.asked}
        if self.records.sessions.update(session_id, _by_its_job(job_id, changes)) is None:
            cancel.cancel()

    @contextmanager
    def _ending(self, session_id: str, job_id: str) -> Iterator[None]:
        """See to it that a preparation which fails leaves its session in the status ``error``."""
        try:
            yield
        except EngineError as error:
            self._fail(session_id, job_id, error)
            raise
        except Cancelled:
            self._fail(session_id, job_id, Interrupted("The preparation was cancelled. Create the session again."))
            if not self.exists(session_id):
                raise _deleted() from None
            raise
        except BaseException:
            self._fail(session_id, job_id, InternalError("The avatar could not be prepared because of a defect."))
            raise

    def _fail(self, session_id: str, job_id: str, error: EngineError) -> None:
        changes = {
            "status": "error",
            "message": error.message,
            "error_code": error.code,
            "retryable": error.retryable,
            "updated": self.now(),
        }
        change = _by_its_job(job_id, changes)
        self.records.sessions.update(session_id, lambda old: change(old) if old.status == "preparing" else old)

    def _update(self, session_id: str, change: Callable[[SessionRecord], SessionRecord]) -> SessionRecord:
        return self.records.sessions.update(session_id, change) or self.get(session_id)


def avatar_info(avatar: PreparedAvatar, warnings: Sequence[str]) -> AvatarInfo:
    """What a caller wants to know of a prepared avatar; ``warnings`` come before the avatar's own."""
    manifest, place = avatar.manifest, avatar.manifest.face.place
    return AvatarInfo(
        width=manifest.width,
        height=manifest.height,
        seconds=manifest.seconds,
        face_width=manifest.face.width,
        face_height=manifest.face.height,
        face_box=None if place is None else FaceBox(**asdict(place)),
        warnings=[*warnings, *manifest.warnings, *manifest.face.warnings],
    )


def _by_its_job(job_id: str, changes: dict[str, object]) -> Callable[[SessionRecord], SessionRecord]:
    """The change, unless another job has taken the session's preparation over, or it is already done.

    A job may begin before the server that submitted it has noted its id.
    """
    mine = (job_id, None)
    return lambda old: old.model_copy(update=changes) if old.job_id in mine and old.status != "ready" else old


def _deleted() -> SessionNotFound:
    return SessionNotFound("The session was deleted while its avatar was being prepared.")
