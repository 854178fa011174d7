"""The engine: every use case behind one door. The handler and the shim's in-process backend call only this."""

from __future__ import annotations

import os
import platform
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.avatar.blocked import BlockList
from engine.avatar.library import AvatarLibrary
from engine.avatar.sources import AvatarSources
from engine.avatar.workspace import workspace
from engine.cancel import CancelToken
from engine.clock import utc_now
from engine.drawing.frame_loop import FrameLoop
from engine.endpoint.client import EndpointAddress, RunPodEndpoint
from engine.endpoint.preparations import Preparations
from engine.errors import InternalError
from engine.fetching.download import FetchLimits, GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.fitness import check_rendering, check_scratch, check_store, check_store_lasts
from engine.generation import Generation
from engine.housekeeping.housekeeper import Housekeeper
from engine.housekeeping.thread import HousekeepingThread
from engine.inline import inline
from engine.job_ids import record_id_of, session_of_job
from engine.jobs import JobName, Jobs
from engine.ledger.accounting import Accounting
from engine.ledger.ledger import Ledger
from engine.lifetimes import Lifetimes
from engine.lipsync.choose import Renderer, choose_renderer
from engine.media.limits import SoundLimits
from engine.outputs import Target
from engine.provenance.credentials import ContentCredentials
from engine.records import Records
from engine.run import Run
from engine.schemas import (
    ActionInput,
    CreateSession,
    DeleteSession,
    Generate,
    GenerateReply,
    HealthReply,
    InlineReply,
    SessionReply,
    Status,
    parse_input,
)
from engine.sessions import Report, Sessions, Standing
from engine.settings import Settings
from engine.sounds import Sounds
from engine.speech.choose import choose_voice
from engine.speech.voice import Voice
from engine.starts import Reclaim
from engine.store.callers_bucket import CallersBucket
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from engine.video.encoder_choice import choose_encoder
from engine.video.fragments import FragmentSink

LOCAL_JOB = "local_test"
"""The id that the RunPod SDK gives to every job of a local run: never answered from the store."""

ProgressSink = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """One unit of work. ``input`` and ``s3_config`` are the caller's and not yet checked.

    ``fragments`` is given the video of a generate while it is being made, and nothing of one that was made before.
    """

    id: str
    input: Any
    s3_config: Any = field(default=None, repr=False)
    fragments: FragmentSink | None = None

    def key(self) -> str:
        """The id of the job's record: the same at every try of a job, a new one for every local run."""
        if self.id == LOCAL_JOB:
            return str(uuid.uuid4())
        return record_id_of(self.id)


@dataclass(frozen=True)
class Engine:
    """Runs jobs, several at a time from several threads."""

    settings: Settings
    store: ObjectStore
    records: Records
    renderer: Renderer
    fetcher: GuardedFetcher
    sessions: Sessions
    generation: Generation

    @classmethod
    def open(cls, settings: Settings, store: ObjectStore, renderer: Renderer | None = None) -> Engine:
        """Put the engine together on ``store`` as ``settings`` say; ``renderer`` draws instead of theirs.

        Raises ConfigurationError, WeightsMissing and WeightsDamaged.
        """
        records = Records(store, utc_now)
        renderer = renderer or choose_renderer(settings)
        fetcher = GuardedFetcher(FetchPolicy(frozenset(settings.allowed_private_hosts)))
        library = AvatarLibrary.of(settings, store, renderer)
        sources = AvatarSources.of(settings, store, fetcher)
        blocked = BlockList(settings.blocked_avatars)
        preparations, lifetimes = _preparations(settings, records), Lifetimes.of(settings)
        reclaim = Reclaim()
        sessions = Sessions(
            store, records, library, sources, preparations, lifetimes, renderer.name, utc_now, blocked, reclaim
        )
        sounds = _sounds(settings, choose_voice(settings), fetcher)
        jobs = Jobs(records, utc_now, reclaim=reclaim)
        loop = FrameLoop(renderer.lipsync, renderer.thread)
        encoder = choose_encoder(settings.encoder, len(os.sched_getaffinity(0)), settings.max_concurrency)
        accounting = Accounting(Ledger.of(store), jobs, renderer.name)
        credentials = ContentCredentials.of(settings, renderer.name, renderer.revision)
        generation = Generation(
            store, jobs, sessions, library, sounds, renderer, loop, encoder, accounting, credentials
        )
        return cls(settings, store, records, renderer, fetcher, sessions, generation)

    def run(self, job: Job, progress: ProgressSink, cancel: CancelToken) -> dict[str, Any]:
        """Do the job and return its output, ready for JSON.

        Blocks. Raises EngineError for everything a caller can be told, and Cancelled.
        """
        request = parse_input(job.input)
        with self._scratch() as scratch:
            reply = self._perform(request, job, scratch, progress, cancel)
        return reply.model_dump(mode="json", exclude_none=True)

    def _perform(
        self, request: ActionInput, job: Job, scratch: Path, progress: ProgressSink, cancel: CancelToken
    ) -> BaseModel:
        match request:
            case Generate():
                return self._generate(request, job, scratch, progress, cancel)
            case CreateSession():
                return self._create_session(request, job.key(), scratch, progress, cancel)
            case DeleteSession():
                return self.sessions.delete(request.session_id, request.forget_avatar)
            case Status(session_id=str(session_id)):
                return self.sessions.reply(self.sessions.get(session_id))
            case _:
                return self.health()

    def _generate(
        self, request: Generate, job: Job, scratch: Path, progress: ProgressSink, cancel: CancelToken
    ) -> GenerateReply | InlineReply:
        job_key = job.key()
        name = JobName(job_key, job_key)
        if request.idempotency_key is not None:
            name = JobName.of_idempotency_key(request.idempotency_key, job_key, request.owner)
        session_id = request.session_id or session_of_job(name.record_id)
        fields = {"session_id": session_id}
        standing = Standing(_reporting(progress, fields))
        target = self._target(job.s3_config, cancel)
        run = Run(request, name, session_id, target, scratch, standing, cancel, fields.update, job.fragments)
        reply = self.generation.run(run)
        if self.settings.inline_results and target.name is None:
            return inline(reply, self.store)
        return reply

    def _target(self, s3_config: Any, cancel: CancelToken) -> Target:
        if s3_config is None:
            return Target.own(self.store)
        return Target.callers(CallersBucket(CallersBucket.parse(s3_config), self.fetcher, cancel))

    def _create_session(
        self, request: CreateSession, job_key: str, scratch: Path, progress: ProgressSink, cancel: CancelToken
    ) -> SessionReply:
        session_id = request.session_id or session_of_job(job_key)
        report = _reporting(progress, {"session_id": session_id, "status": "preparing"})
        return self.sessions.create(request, session_id, job_key, scratch, report, cancel)

    @property
    def worn(self) -> bool:
        """Whether a fresh worker should take this one's place: its device has run out of memory."""
        return self.generation.loop.worn

    def reclaimed(self) -> None:
        """The host wants this process to go: jobs that it doesn't end are no crashes. May be called by a signal."""
        self.generation.jobs.reclaim.ask()

    def health(self) -> HealthReply:
        """How the worker is, without doing any work."""
        return HealthReply(
            device=self.renderer.device,
            cuda_available=self.renderer.device == "cuda",
            models_loaded=True,
            renderer=self.renderer.name,
            versions={
                "renderer": self.renderer.revision,
                "encoder": self.generation.encoder.codec,
                "python": platform.python_version(),
                "runpod": version("runpod"),
                "av": version("av"),
            },
        )

    def warm(self) -> None:
        """Load what the first job would otherwise wait for. Called once, before any job.

        Raises what a check raises, and StorageUnavailable.
        """
        self.renderer.tune(self.store)
        self._check_rendering()

    def checks(self) -> dict[str, Callable[[], None]]:
        """What has to hold before a worker takes jobs, by name; each raises an EngineError when it doesn't."""
        return {
            "store_lasts": lambda: check_store_lasts(self.store, self.settings),
            "store": lambda: check_store(self.store),
            "scratch": lambda: check_scratch(self._scratch_root()),
            "default_avatar": self.sessions.sources.check_default,
            "rendering": self._check_rendering,
        }

    def _check_rendering(self) -> None:
        check_scratch(self._scratch_root())
        with self._scratch() as folder:
            check_rendering(self.renderer, folder)

    @contextmanager
    def housekeeping(self) -> Iterator[None]:
        """Remove what has expired, in the background, where the store is this machine's: a bucket has its own rules."""
        if not isinstance(self.store, LocalStore):
            yield
            return
        housekeeper = Housekeeper.of(self.settings, self.store, self.records, self.sessions.library, utc_now)
        thread = HousekeepingThread(housekeeper)
        thread.start()
        try:
            yield
        finally:
            thread.stop()

    def _scratch_root(self) -> Path:
        return self.settings.scratch_dir or Path(tempfile.gettempdir())

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder of the job's own, gone when the job is, as are those of a process that was killed here."""
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(workspace(self._scratch_root(), "avatar-job-"))
            except OSError as error:
                raise InternalError("The worker has no room for temporary files.") from error
            yield folder


def _preparations(settings: Settings, records: Records) -> Preparations:
    address = EndpointAddress.of(settings)
    return Preparations(records, None if address is None else RunPodEndpoint.over_network(address), utc_now)


def _sounds(settings: Settings, voice: Voice, fetcher: GuardedFetcher) -> Sounds:
    limits = FetchLimits(settings.max_audio_bytes, settings.fetch_seconds)
    return Sounds(voice, fetcher, SoundLimits.of(settings), limits, settings.max_text_characters)


def _reporting(progress: ProgressSink, fields: dict[str, str]) -> Report:
    return lambda stage, share: progress({**fields, "stage": stage, "progress": round(share, 3)})
