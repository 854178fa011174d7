"""Generate: from a caller's words to stored files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.key import canonical_hash, text_sha256
from engine.avatar.library import AvatarLibrary
from engine.cancel import Cancelled, CancelToken
from engine.drawing.frame_loop import FrameLoop
from engine.errors import EngineError, SessionFailed, SessionNotFound
from engine.jobs import JobName, Jobs
from engine.kept_speech import KeptSpeech
from engine.lipsync.choose import Renderer
from engine.lipsync.order import FrameOrder
from engine.outputs import Outputs, Target, save
from engine.pipeline import MadeVideo, Pipeline, VideoRequest
from engine.pulse import beating
from engine.schemas import Generate, Generated, GenerateReply, WordTime
from engine.sessions import PULSE_SECONDS, Report, Sessions, Standing
from engine.sounds import Sound, Sounds
from engine.store.protocol import ObjectStore, OutputStore
from engine.streams.writer import StreamWriter, streaming
from engine.video.encode import VideoEncoder
from engine.video.fragments import FragmentSink

log = logging.getLogger(__name__)

STARTING, DRAWING = "starting", "drawing"
PREPARATION_SHARE = 0.5
"""How much of a one-call job's progress is the avatar's preparation."""


@dataclass(frozen=True)
class Run:
    """One run of one generate job.

    session_id: the session to speak with, or the one to make where the request names none.
    scratch: a folder of the run's own.
    announce: told of fields that the job's progress carries from then on.
    fragments: given the video while it is being made.
    stream: where ``fragments`` go on their way into the store.
    """

    request: Generate
    name: JobName
    session_id: str
    target: Target
    scratch: Path
    standing: Standing
    cancel: CancelToken
    announce: Callable[[Mapping[str, str]], None]
    fragments: FragmentSink | None = None
    stream: StreamWriter | None = None

    @cached_property
    def input_hash(self) -> str:
        """Equal for equal requests to one target. A sound of many megabytes goes in by its own hash."""
        fields = self.request.model_dump(mode="json", exclude={"idempotency_key", "owner", "audio_base64"})
        sound = self.request.audio_base64
        hashed = {"audio_base64": None if sound is None else text_sha256(sound)}
        target = {} if self.target.name is None else {"target": self.target.name}
        return canonical_hash({**fields, **hashed, **target})

    @property
    def outputs(self) -> Outputs:
        return Outputs.of(self.session_id, self.name.record_id, self.input_hash)

    def part(self, start: float, end: float) -> Report:
        """Progress of a part of the work, from ``start`` to ``end`` of the whole."""
        return lambda stage, share: self.standing.told(stage, start + (end - start) * share)


@dataclass(frozen=True)
class Generation:
    """Runs generate jobs."""

    store: ObjectStore
    jobs: Jobs
    sessions: Sessions
    library: AvatarLibrary
    sounds: Sounds
    renderer: Renderer
    loop: FrameLoop
    encoder: VideoEncoder

    def run(self, run: Run) -> GenerateReply:
        """Make the video, or find the one that the same job has made before.

        What is wrong with the request by itself is raised before anything is written.
        """
        self._admit(run)
        owner = run.request.owner
        generated = self.jobs.begin(run.name, run.session_id, run.input_hash, run.target.holds, run.cancel, owner)
        if generated is None:
            with self._ending(run), beating(lambda: self._beat(run), PULSE_SECONDS), self._streamed(run) as streamed:
                generated = self._generate(streamed)
        return self.reply(generated, run.target.store)

    def reply(self, generated: Generated, target: OutputStore) -> GenerateReply:
        """The stored result with addresses made for this reply."""
        return GenerateReply(
            **generated.model_dump(),
            video_url=target.url(generated.video_key),
            audio_url=target.url(generated.audio_key),
            captions_url=target.url(generated.captions_key),
            thumbnail_url=target.url(generated.thumbnail_key),
        )

    def _admit(self, run: Run) -> None:
        self.sounds.check(run.request)
        if run.request.session_id is not None:
            self.sessions.avatar_key(run.request.session_id, run.request.owner)
        else:
            self.sessions.sources.find(run.request.avatar_video_path, run.request.owner)
        if run.target.name is not None:
            # Asked for its own sake: a bucket that can't be used is found out before the work, not after it.
            run.target.holds(run.outputs.video)

    def _generate(self, run: Run) -> Generated:
        began = time.perf_counter()
        with self._sound_and_avatar(run) as (sound, avatar):
            ready = time.perf_counter()
            made = self._video(run, sound, avatar)
        if run.stream is not None:
            run.stream.finish()
        run.cancel.check()
        self._require_session(run)
        drawn = time.perf_counter()
        save(made, run.outputs, run.target.store)
        saved = time.perf_counter()
        timings = {**made.seconds, "sound_and_avatar": ready - began, "saving": saved - drawn, "total": saved - began}
        generated = self._generated(run, sound, replace(made, seconds=timings))
        self._publish(run, generated)
        return generated

    @contextmanager
    def _sound_and_avatar(self, run: Run) -> Iterator[tuple[Sound, PreparedAvatar]]:
        """The avatar is fetched or prepared while the speech is made; where one fails, the other stops."""
        kept = KeptSpeech(self.store, run.outputs.speech)
        with ExitStack() as stack:
            with ThreadPoolExecutor(1, thread_name_prefix="avatar") as beside:
                avatar = beside.submit(copy_context().run, self._avatar, run)
                avatar.add_done_callback(lambda done: run.cancel.cancel() if done.exception() else None)
                try:
                    sound = stack.enter_context(self.sounds.open(run.request, kept, run.scratch, run.cancel))
                except Cancelled:
                    avatar.result()
                    raise
                except BaseException:
                    run.cancel.cancel()
                    raise
                prepared = avatar.result()
            yield sound, prepared

    def _avatar(self, run: Run) -> PreparedAvatar:
        if run.request.session_id is None:
            report = run.part(0.0, PREPARATION_SHARE)
            creation = run.request.creation()
            self.sessions.create(creation, run.session_id, run.name.queue_id, run.scratch, report, run.cancel)
        avatar = self.library.fetch(self.sessions.avatar_key(run.session_id, run.request.owner), run.cancel)
        self.sessions.use(run.session_id)
        if avatar is None:
            raise SessionFailed("The session's prepared avatar is gone or damaged. Create the session again.")
        return avatar

    def _video(self, run: Run, sound: Sound, avatar: PreparedAvatar) -> MadeVideo:
        report = run.part(0.0 if run.request.session_id else PREPARATION_SHARE, 1.0)
        with avatar.open_frames() as frames:
            order = FrameOrder.beginning(run.request.sync_mode, frames.count, run.request.start_seconds)
            video = VideoRequest(
                pieces=sound.pieces,
                frames=frames,
                track=avatar.track,
                alpha=avatar.alpha,
                order=order,
                folder=run.scratch,
                comment=f"AI-generated talking avatar; renderer: {self.renderer.name}",
                encoder=self.encoder,
                fragments=run.fragments,
                live=run.fragments is not None,
            )
            pipeline = Pipeline(video, self.loop, run.cancel)
            return pipeline.run(lambda done: report(DRAWING, done / max(sound.likely_frames, done + 1)))

    def _generated(self, run: Run, sound: Sound, made: MadeVideo) -> Generated:
        outputs = run.outputs
        return Generated(
            session_id=run.session_id,
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
            timings={stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
            gpu_seconds=0.0 if self.renderer.device == "cpu" else round(made.device_seconds, 3),
            expires_at=self._expires_at(run),
            warnings=[*sound.warnings, *self._avatar_warnings(run), *self._encoder_warnings(made)],
            metadata=run.request.metadata,
        )

    def _avatar_warnings(self, run: Run) -> list[str]:
        self._require_session(run)
        avatar = self.sessions.get(run.session_id).avatar
        return [] if avatar is None else avatar.warnings

    def _encoder_warnings(self, made: MadeVideo) -> list[str]:
        if made.codec == self.encoder.codec:
            return []
        return ["The GPU's video encoder didn't take this video, so the processor encoded it."]

    def _expires_at(self, run: Run) -> datetime | None:
        if run.target.name is not None:
            return None
        self._require_session(run)
        session = self.sessions.get(run.session_id)
        return self.sessions.lifetimes.output_expires_at(self.sessions.now(), session.expires_at)

    @contextmanager
    def _streamed(self, run: Run) -> Iterator[Run]:
        """The run as it is, or, where its request asks for a stream, with one that can be followed from here on."""
        if not run.request.stream:
            yield run
            return
        with streaming(self.store, run.name.record_id, run.name.run_id, run.cancel) as stream:
            run.announce(stream.addresses)
            run.standing.told(STARTING, 0.0)
            yield replace(run, fragments=_to_both(run.fragments, stream.write), stream=stream)

    def _publish(self, run: Run, generated: Generated) -> None:
        """From here on the result counts: not for a session that was deleted, nor for a cancelled job."""
        self._require_session(run)
        run.cancel.check()
        self.store.put(run.outputs.result, generated.model_dump_json().encode(), "application/json")
        self.jobs.done(run.name.record_id, generated)
        KeptSpeech(self.store, run.outputs.speech).forget()

    def _beat(self, run: Run) -> None:
        """Keep the job's record alive; stop the work when its session has been deleted."""
        self.jobs.beat(run.name.record_id, run.standing.stage, run.standing.share)
        # A session of the job's own is there once its avatar is prepared; until then the preparation looks after it.
        expected = run.request.session_id is not None or run.standing.stage == DRAWING
        if expected and not self.sessions.exists(run.session_id):
            run.cancel.cancel()

    def _require_session(self, run: Run) -> None:
        if not self.sessions.exists(run.session_id):
            raise SessionNotFound("The session was deleted while its video was being made.")

    @contextmanager
    def _ending(self, run: Run) -> Iterator[None]:
        """See to it that a run which fails leaves nothing half made, and a record that says how it ended."""
        try:
            yield
        except Cancelled:
            self._end(run, Cancelled())
            self._require_session(run)
            raise
        except BaseException as error:
            self._end(run, error)
            raise

    def _end(self, run: Run, error: BaseException) -> None:
        outputs = run.outputs
        try:
            if not self.jobs.is_at(run.name):
                return
            for key in (outputs.video, outputs.audio, outputs.captions, outputs.thumbnail):
                run.target.store.delete(key)
            self.store.delete(outputs.result)
            if not (isinstance(error, EngineError) and error.retryable):
                KeptSpeech(self.store, outputs.speech).forget()
            self.jobs.ended(run.name.record_id, error)
        except EngineError as failure:
            # The job's own error is the one to tell; what is left goes when it expires.
            log.warning("What a failed job had made could not be removed: %s", failure.message)


def _to_both(direct: FragmentSink | None, stored: FragmentSink) -> FragmentSink:
    def take(piece: bytes) -> None:
        if direct is not None:
            direct(piece)
        stored(piece)

    return take
