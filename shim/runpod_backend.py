"""A RunPod endpoint behind the API: jobs go to its queue, and everything else is read from the bucket it shares.

Nothing here, nor what it imports, reads pictures or sound: it loads neither torch, cv2 nor av.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Self

from engine.avatar.blocked import BlockList
from engine.avatar.sources import AvatarSources
from engine.clock import utc_now
from engine.endpoint.client import AsyncRunPodEndpoint, EndpointAddress, RunPodEndpoint
from engine.endpoint.preparations import Preparations
from engine.errors import ConfigurationError, EngineError, InvalidInput
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.lifetimes import Lifetimes
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, HealthReply
from engine.session_records import avatar_key_of
from engine.settings import Settings
from engine.speech.text import spoken_text
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from shim.backends import KeptJob, Made, StreamEvent
from shim.following import Following
from shim.queue_health import QueueHealth
from shim.queue_jobs import QueueJobs
from shim.queued_sessions import QueuedSessions, SessionStore
from shim.queued_stream import QueuedStream
from shim.relay import Relay
from shim.stored_streams import StoredStreams


class RunPodBackend:
    """A Backend. ``now`` gives the time in UTC, as the clock of ``records`` does."""

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        records: Records,
        address: EndpointAddress,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._asking = RunPodEndpoint.over_network(address)
        self._endpoint = AsyncRunPodEndpoint.over_network(address)
        self._fetcher = GuardedFetcher(FetchPolicy(frozenset(settings.allowed_private_hosts)))
        self._sources = AvatarSources.of(settings, store, self._fetcher)
        self._blocked = BlockList(settings.blocked_avatars)
        stored = SessionStore(store, records, self._sources, Lifetimes.of(settings), now, self._blocked)
        self._sessions = QueuedSessions(stored, self._endpoint, Preparations(records, self._asking, now))
        self._jobs = QueueJobs(self._endpoint, records, now)
        self._relay = Relay(StoredStreams(store, records, now))
        self._health = QueueHealth(self._endpoint, store)
        self._left: asyncio.Task[None]

    @classmethod
    def open(cls, settings: Settings, store: ObjectStore, records: Records) -> Self:
        """The backend of the endpoint that the settings name. Raises ConfigurationError."""
        address = EndpointAddress.of(settings)
        if address is None:
            raise ConfigurationError("RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY have to be set, both of them.")
        if isinstance(store, LocalStore):
            raise ConfigurationError(
                "In front of an endpoint the server needs the bucket of its workers: set the BUCKET_ variables as they "
                "are set there, or unset RUNPOD_ENDPOINT_ID to make the videos here."
            )
        return cls(settings, store, records, address)

    async def start(self) -> None:
        self._left = asyncio.create_task(self._jobs.follow_left(), name="jobs left")

    async def close(self) -> None:
        self._left.cancel()
        await self._jobs.close()
        self._sessions.close()
        await self._endpoint.close()
        self._asking.close()

    async def create_session(self, request: CreateSession, session_id: str) -> None:
        await self._sessions.create(request, session_id)

    async def session(self, session_id: str, owner: str | None = None) -> SessionRecord:
        return await self._sessions.get(session_id, owner)

    async def delete_session(self, session_id: str, owner: str | None = None) -> DeleteReply:
        record = await self._sessions.owned(session_id, owner)
        if record.status == "preparing" and record.job_id is not None:
            await self._jobs.cancel_quietly(record.job_id)
        await self._jobs.cancel_session(session_id)
        return await self._sessions.remove(session_id, owner)

    async def generate(self, request: Generate, job_id: str) -> Made:
        seconds = self._settings.sync_wait_seconds
        if request.idempotency_key is not None:
            made = await self._jobs.asked_before(job_id, seconds)
            if made is not None:
                return made
        await self.demand_possible(request)
        return await self._jobs.made(await self._jobs.submit(request, job_id), seconds)

    async def stream(self, request: Generate, job_id: str) -> AsyncGenerator[StreamEvent, None]:
        if request.idempotency_key is not None:
            raise InvalidInput("A stream takes no `idempotency_key`: what was made before is not made again.")
        await self.demand_possible(request)
        stored = request.model_copy(update={"stream": True})
        submitting = asyncio.create_task(self._jobs.submit(stored, job_id))
        try:
            following = await asyncio.shield(submitting)
            stream = QueuedStream(following, self._jobs, self._relay, self._settings.sync_wait_seconds)
            async with aclosing(stream.events()) as events:
                async for event in events:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            await self._cancel(submitting)
            raise

    async def demand_possible(self, request: Generate) -> None:
        await asyncio.to_thread(self._demand_sound, request)
        if request.session_id is not None:
            session = await self._sessions.get(request.session_id, request.owner)
            avatar_key_of(session)
            self._blocked.demand_allowed(session.avatar_sha256)
        else:
            await asyncio.to_thread(self._sources.demand_possible, request.avatar_video_path, request.owner)

    async def enqueue(self, job: KeptJob) -> Followed:
        following = await self._jobs.taken_up(job) if job.was_begun else None
        return Followed(following or await self._jobs.submit(await job.request(), job.job_id))

    def end_of(self, job_id: str) -> asyncio.Future[Made] | None:
        return self._jobs.end_of(job_id)

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        await self._jobs.cancel(job_id, queue_id)

    async def _cancel(self, submitting: asyncio.Task[Following]) -> None:
        """Stop a job that perhaps is only just being submitted."""
        with suppress(EngineError):
            await self._jobs.cancel_quietly((await submitting).job.queue_id)

    async def health(self) -> HealthReply:
        return await self._health.reply()

    def _demand_sound(self, request: Generate) -> None:
        if request.text is not None:
            spoken_text(request.text, self._settings.max_text_characters)
        if request.audio_url is not None:
            self._fetcher.check(request.audio_url)


class Followed:
    """A kept job in the endpoint's queue; it goes on there whoever waits for it."""

    def __init__(self, following: Following) -> None:
        self._following = following

    @property
    def queue_id(self) -> str | None:
        return self._following.job.queue_id

    def position(self) -> int | None:
        return None

    async def made(self) -> Made:
        await asyncio.wait({self._following.end})
        return self._following.end.result()
