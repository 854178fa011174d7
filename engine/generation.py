"""Generate: from a caller's words to stored files."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.library import AvatarLibrary
from engine.cancel import Cancelled
from engine.drawing.frame_loop import FrameLoop
from engine.errors import EngineError, KeepsCrashing, SessionFailed, SessionNotFound
from engine.jobs import Jobs
from engine.kept_speech import KeptSpeech
from engine.ledger.accounting import Accounting
from engine.lipsync.choose import Renderer
from engine.lipsync.order import FrameOrder, LoopOrder, Order
from engine.outputs import save
from engine.pipeline import MadeVideo, Pipeline, VideoRequest
from engine.provenance.credentials import ContentCredentials
from engine.pulse import beating
from engine.run import Run
from engine.schemas import Generate, Generated, GenerateReply, WordTime
from engine.sessions import PULSE_SECONDS, Sessions
from engine.sounds import Sound, Sounds
from engine.store.protocol import ObjectStore, OutputStore
from engine.streams.writer import streaming
from engine.video.encode import VideoEncoder
from engine.video.fragments import FragmentSink

log = logging.getLogger(__name__)

STARTING, DRAWING = "starting", "drawing"
PREPARATION_SHARE = 0.5
"""How much of a one-call job's progress is the avatar's preparation."""


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
    accounting: Accounting
    credentials: ContentCredentials | None

    def run(self, run: Run) -> GenerateReply:
        """Make the video, or find the one that the same job has made before.

        What is wrong with the request by itself is raised before anything is written.
        """
        self._admit(run)
        owner = run.request.owner
        is_streamed = run.request.stream
        try:
            generated = self.jobs.begin(
                run.name, run.session_id, run.input_hash, run.target.holds, run.cancel, owner, is_streamed
            )
        except KeepsCrashing as error:
            self._end(run, error)
            raise
        if generated is None:
            with self._ending(run), beating(lambda: self._beat(run), PULSE_SECONDS), self._streamed(run) as streamed:
                generated = self._generate(streamed)
        return self.reply(generated, run.target.store)

    def reply(self, generated: Generated, target: OutputStore) -> GenerateReply:
        """The stored result with addresses made for this reply."""
        return GenerateReply(
            **generated.model_dump(),
            video_url=target.url(generated.video_key),
            audio_url=_url(target, generated.audio_key),
            captions_url=target.url(generated.captions_key),
            subtitles_url=_url(target, generated.subtitles_key),
            thumbnail_url=target.url(generated.thumbnail_key),
        )

    def demand_possible(self, request: Generate) -> None:
        """Raise what can be known to be wrong with the request before anything of it is done."""
        self.sounds.check(request)
        if request.session_id is not None:
            self.sessions.avatar_key(request.session_id, request.owner)
        else:
            self.sessions.sources.find(request.avatar_video_path, request.owner)

    def _admit(self, run: Run) -> None:
        self.demand_possible(run.request)
        if run.target.name is not None:
            # Asked for its own sake: a bucket that can't be used is found out before the work, not after it.
            run.target.holds(run.outputs.video)

    def _generate(self, run: Run) -> Generated:
        began = time.perf_counter()
        with self._sound_and_avatar(run) as (sound, avatar):
            ready = time.perf_counter()
            made = self._video(run, sound, avatar)
        drawn = time.perf_counter()
        if self.credentials is not None:
            made = replace(made, video=self.credentials.signed(made.video))
        if run.stream is not None:
            run.stream.finish()
        run.cancel.check()
        self._require_session(run)
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
                    run.account.spoken_sha256, run.account.characters = sound.sha256, sound.characters
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
        run.account.avatar_sha256 = self.sessions.use(run.session_id).avatar_sha256
        if avatar is None:
            raise SessionFailed("The session's prepared avatar is gone or damaged. Create the session again.")
        return avatar

    def _video(self, run: Run, sound: Sound, avatar: PreparedAvatar) -> MadeVideo:
        report = run.part(0.0 if run.request.session_id else PREPARATION_SHARE, 1.0)
        with avatar.open_frames() as frames:
            order = _order(run.request, frames.count)
            video = VideoRequest(
                pieces=sound.pieces,
                frames=frames,
                track=avatar.track,
                alpha=avatar.alpha,
                order=order,
                folder=run.scratch,
                comment=f"AI-generated talking avatar; renderer: {self.renderer.name}",
                encoder=self.encoder.at(run.request.quality),
                fragments=run.fragments,
                live=run.fragments is not None,
                silent=run.request.idle,
                height=run.request.height,
            )
            pipeline = Pipeline(video, self.loop, run.cancel)
            report(DRAWING, 0.0)
            likely = sound.likely_frames or order.limit or 1
            try:
                return pipeline.run(lambda done: report(DRAWING, done / max(likely, done + 1)))
            finally:
                run.account.gpu_seconds = 0.0 if self.renderer.device == "cpu" else round(pipeline.device_seconds, 3)

    def _generated(self, run: Run, sound: Sound, made: MadeVideo) -> Generated:
        outputs = run.outputs
        return Generated(
            session_id=run.session_id,
            duration=made.duration,
            frames=made.frames,
            video_key=outputs.video,
            audio_key=None if made.audio is None else outputs.audio,
            captions_key=outputs.captions,
            subtitles_key=outputs.subtitles,
            thumbnail_key=outputs.thumbnail,
            words=[WordTime(text=w.text, start=round(w.start, 3), end=round(w.end, 3)) for w in made.words],
            renderer=self.renderer.name,
            voice_used=sound.voice_used,
            tts_characters=sound.characters,
            timings={stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
            gpu_seconds=run.account.gpu_seconds,
            expires_at=self._expires_at(run),
            warnings=[*sound.warnings, *self._avatar_warnings(run), *self._video_warnings(run, made)],
            metadata=run.request.metadata,
        )

    def _avatar_warnings(self, run: Run) -> list[str]:
        self._require_session(run)
        avatar = self.sessions.get(run.session_id).avatar
        return [] if avatar is None else avatar.warnings

    def _video_warnings(self, run: Run, made: MadeVideo) -> Iterator[str]:
        height = run.request.height
        if height is not None and height > made.size.height:
            yield f"`height` is {height}, and the avatar's is {made.size.height}: so is the video's."
        if made.codec != self.encoder.codec:
            yield "The GPU's video encoder didn't take this video, so the processor encoded it."

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
        self.accounting.made(run, generated)
        if self.jobs.done(run.name, generated):
            # Another run that is still at the job would have to buy it anew.
            KeptSpeech(self.store, run.outputs.speech).forget()

    def _beat(self, run: Run) -> None:
        """Keep the job's record alive; stop the work when that was asked for, or its session has been deleted."""
        if not self.jobs.beat(run.name, run.standing.stage, run.standing.share):
            run.cancel.cancel()
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
                # Its worker didn't die over the job, which the run that has taken it on can't know.
                self.jobs.beat(run.name, run.standing.stage, run.standing.share)
                return
            for key in outputs.files:
                run.target.store.delete(key)
            self.store.delete(outputs.result)
            if not (isinstance(error, EngineError) and error.retryable):
                KeptSpeech(self.store, outputs.speech).forget()
            self.accounting.unmade(run, error)
            self.jobs.ended(run.name.record_id, error)
        except EngineError as failure:
            # The job's own error is the one to tell; what is left goes when it expires.
            log.warning("What a failed job had made could not be removed: %s", failure.message)


def _url(target: OutputStore, key: str | None) -> str | None:
    return None if key is None else target.url(key)


def _order(request: Generate, count: int) -> Order:
    """How the request's video walks through an avatar of ``count`` frames."""
    if request.idle:
        return LoopOrder.beginning(count, request.start_seconds)
    return FrameOrder.beginning(request.sync_mode, count, request.start_seconds)


def _to_both(direct: FragmentSink | None, stored: FragmentSink) -> FragmentSink:
    def take(piece: bytes) -> None:
        if direct is not None:
            direct(piece)
        stored(piece)

    return take
