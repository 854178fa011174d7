"""Generate: from a caller's words to stored files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.key import canonical_hash
from engine.avatar.library import AvatarLibrary
from engine.cancel import Cancelled, CancelToken
from engine.captions import webvtt
from engine.errors import EngineError, InternalError, SessionFailed, SessionNotFound
from engine.lipsync.choose import Renderer
from engine.lipsync.order import FrameOrder
from engine.pipeline import MadeVideo, Pipeline, VideoRequest
from engine.records import JobRecord, Records
from engine.schemas import CreateSession, Generate, Generated, GenerateReply, WordTime
from engine.sessions import Report, Sessions
from engine.sounds import Sound, Sounds
from engine.store.protocol import ObjectStore
from engine.video.encode import EncoderSettings

log = logging.getLogger(__name__)

PREPARATION_SHARE = 0.5
"""How much of a one-call job's progress is the avatar's preparation."""


@dataclass(frozen=True)
class Outputs:
    """The keys of what one job makes."""

    folder: str

    @classmethod
    def of(cls, session_id: str, job_id: str, input_hash: str) -> Outputs:
        """The same job with the same input has the same keys; with another input, others."""
        return cls(f"outputs/{session_id}/{job_id}-{input_hash[:8]}")

    @property
    def video(self) -> str:
        return f"{self.folder}/video.mp4"

    @property
    def audio(self) -> str:
        return f"{self.folder}/audio.mp3"

    @property
    def captions(self) -> str:
        return f"{self.folder}/captions.vtt"

    @property
    def thumbnail(self) -> str:
        return f"{self.folder}/thumbnail.jpg"

    @property
    def result(self) -> str:
        return f"{self.folder}/result.json"


@dataclass(frozen=True)
class Generation:
    """Runs generate jobs. ``now`` gives the time in UTC."""

    store: ObjectStore
    records: Records
    sessions: Sessions
    library: AvatarLibrary
    sounds: Sounds
    renderer: Renderer
    encoder: EncoderSettings
    now: Callable[[], datetime]

    def run(
        self, request: Generate, session_id: str, job_id: str, scratch: Path, report: Report, cancel: CancelToken
    ) -> GenerateReply:
        """Make the video, or find the one that the same job has made before.

        ``session_id`` names the session to speak with, or the one to make where the request names none.
        What is wrong with the request by itself is raised before anything is written.
        """
        self._admit(request)
        input_hash = canonical_hash(request.model_dump(mode="json"))
        record = self._begin(request, session_id, job_id, input_hash)
        if record.state == "done" and record.result is not None:
            return self.reply(Generated.model_validate(record.result))
        outputs = Outputs.of(session_id, job_id, input_hash)
        try:
            generated = self._generate(request, session_id, job_id, outputs, scratch, report, cancel)
        except BaseException as error:
            self._end(job_id, outputs, error)
            raise
        return self.reply(generated)

    def reply(self, generated: Generated) -> GenerateReply:
        """The stored result with addresses made for this reply."""
        return GenerateReply(
            **generated.model_dump(),
            video_url=self.store.url(generated.video_key),
            audio_url=self.store.url(generated.audio_key),
            captions_url=self.store.url(generated.captions_key),
            thumbnail_url=self.store.url(generated.thumbnail_key),
        )

    def _admit(self, request: Generate) -> None:
        self.sounds.check(request)
        if request.session_id is not None:
            self.sessions.avatar_key(request.session_id)
        else:
            self.sessions.sources.find(request.avatar_video_path)

    def _begin(self, request: Generate, session_id: str, job_id: str, input_hash: str) -> JobRecord:
        now = self.now()
        new = JobRecord(
            job_id=job_id,
            action=request.action,
            session_id=session_id,
            input_hash=input_hash,
            state="running",
            heartbeat=now,
            created=now,
            updated=now,
        )
        if self.records.jobs.create(new):
            return new
        record = self.records.jobs.update(job_id, lambda old: self._again(old, new))
        if record is None:
            raise InternalError("The job's record vanished while it was being read. Send the job again.")
        return record

    def _again(self, old: JobRecord, new: JobRecord) -> JobRecord:
        if old.input_hash != new.input_hash:
            return new
        if old.state == "done" and old.result is not None and self._stored(old.result):
            return old
        return new.model_copy(update={"attempt": old.attempt + 1, "created": old.created})

    def _stored(self, result: dict[str, object]) -> bool:
        return self.store.head(Generated.model_validate(result).video_key) is not None

    def _generate(
        self,
        request: Generate,
        session_id: str,
        job_id: str,
        outputs: Outputs,
        scratch: Path,
        report: Report,
        cancel: CancelToken,
    ) -> Generated:
        began = time.perf_counter()
        share = 0.0 if request.session_id else PREPARATION_SHARE
        sound = self.sounds.open(request, scratch, cancel)
        avatar = self._avatar(request, session_id, job_id, scratch, _part(report, 0.0, share), cancel)
        fetched = time.perf_counter()
        made = self._video(request, sound, avatar, scratch, _part(report, share, 1.0), cancel)
        cancel.check()
        drawn = time.perf_counter()
        self._save(made, outputs)
        timings = {**made.seconds, "avatar": fetched - began, "saving": time.perf_counter() - drawn}
        timings["total"] = time.perf_counter() - began
        generated = self._generated(request, session_id, sound, avatar, made, outputs, timings)
        self._publish(generated, job_id, outputs, cancel)
        return generated

    def _avatar(
        self, request: Generate, session_id: str, job_id: str, scratch: Path, report: Report, cancel: CancelToken
    ) -> PreparedAvatar:
        if request.session_id is None:
            create = CreateSession(action="create_session", avatar_video_path=request.avatar_video_path)
            self.sessions.create(create, session_id, job_id, scratch, report, cancel)
        avatar = self.library.fetch(self.sessions.avatar_key(session_id), cancel)
        if avatar is None:
            raise SessionFailed("The session's prepared avatar is gone or damaged. Create the session again.")
        return avatar

    def _video(
        self,
        request: Generate,
        sound: Sound,
        avatar: PreparedAvatar,
        scratch: Path,
        report: Report,
        cancel: CancelToken,
    ) -> MadeVideo:
        with avatar.open_frames() as frames:
            video = VideoRequest(
                pieces=sound.pieces,
                frames=frames,
                track=avatar.track,
                order=FrameOrder.beginning(request.sync_mode, frames.count, request.start_seconds),
                folder=scratch,
                comment=f"AI-generated talking avatar; renderer: {self.renderer.name}",
                encoder=self.encoder,
            )
            pipeline = Pipeline(video, self.renderer.lipsync, cancel)
            return pipeline.run(lambda done: report("drawing", done / max(sound.likely_frames, done + 1)))

    def _save(self, made: MadeVideo, outputs: Outputs) -> None:
        with made.audio.open("rb") as audio:
            self.store.upload(outputs.audio, audio, "audio/mpeg")
        self.store.put(outputs.captions, webvtt(made.words).encode(), "text/vtt")
        self.store.put(outputs.thumbnail, made.thumbnail, "image/jpeg")
        with made.video.open("rb") as video:
            self.store.upload(outputs.video, video, "video/mp4")

    def _generated(
        self,
        request: Generate,
        session_id: str,
        sound: Sound,
        avatar: PreparedAvatar,
        made: MadeVideo,
        outputs: Outputs,
        timings: dict[str, float],
    ) -> Generated:
        return Generated(
            session_id=session_id,
            duration=made.duration,
            frames=made.frames,
            video_key=outputs.video,
            audio_key=outputs.audio,
            captions_key=outputs.captions,
            thumbnail_key=outputs.thumbnail,
            words=[WordTime(text=w.text, start=round(w.start, 3), end=round(w.end, 3)) for w in made.words],
            renderer=self.renderer.name,
            voice_used=sound.voice_used,
            tts_characters=sound.characters,
            timings={stage: round(seconds, 3) for stage, seconds in timings.items()},
            gpu_seconds=0.0 if self.renderer.device == "cpu" else round(made.seconds.get("drawing", 0.0), 3),
            warnings=[*avatar.manifest.warnings, *avatar.manifest.face.warnings],
            metadata=request.metadata,
        )

    def _publish(self, generated: Generated, job_id: str, outputs: Outputs, cancel: CancelToken) -> None:
        """From here on the result counts: not for a session that was deleted, nor for a cancelled job."""
        if self.records.sessions.get(generated.session_id) is None:
            raise SessionNotFound("The session was deleted while its video was being made.")
        cancel.check()
        self.store.put(outputs.result, generated.model_dump_json().encode(), "application/json")
        changes = {"state": "done", "progress": 1.0, "result": generated.model_dump(mode="json"), "updated": self.now()}
        self.records.jobs.update(job_id, lambda old: old.model_copy(update=changes))

    def _end(self, job_id: str, outputs: Outputs, error: BaseException) -> None:
        """Remove what was half made, and write down how the job ended."""
        for item in list(self.store.list(f"{outputs.folder}/")):
            self.store.delete(item.key)
        told = error if isinstance(error, EngineError) else InternalError("The video could not be made.")
        changes = {
            "state": "cancelled" if isinstance(error, Cancelled) else "failed",
            "error": {"code": told.code, "message": told.message, "retryable": told.retryable},
            "updated": self.now(),
        }
        self.records.jobs.update(job_id, lambda old: old.model_copy(update=changes))


def _part(report: Report, start: float, end: float) -> Report:
    """Progress of a part of the work, from ``start`` to ``end`` of the whole."""
    return lambda stage, share: report(stage, start + (end - start) * share)
