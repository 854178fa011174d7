"""All who read what is kept: operations of the worker and of the REST server, each on the victim's things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, TypeAdapter

from engine.boot_record import newest_boot_record
from engine.clock import utc_now
from engine.engine import Engine
from engine.housekeeping.housekeeper import Housekeeper
from engine.ledger.entry import Entry
from engine.ledger.ledger import Ledger
from engine.lifetimes import Lifetimes
from engine.speech.choose import choose_catalogue
from engine.store.protocol import ObjectStore
from engine.stored_catalogue import is_fresh, stored_catalogue
from shim.avatars.announced import AnnouncedUploads
from shim.avatars.consent import Consent
from shim.avatars.stored import StoredAvatars
from shim.browsers.spending import TokenCounts
from shim.budgets.spending import Spending, Total
from shim.budgets.stop import StopSign
from shim.callers import Caller
from shim.errors import GenerationFailed
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.report import JobReports
from shim.keyed_requests import KeyedRequests
from shim.limits.leases import Leases
from shim.links import Links
from shim.pages import PageAsked, page_of
from shim.session_list import session_state
from shim.signing import SigningSecret
from shim.stored_streams import StoredStreams
from shim.thumbnails import Thumbnails
from tests.engine_ground import EngineGround
from tests.fuzz.kept_store import Party, reply_of_a_keyed_request, speech_of


@dataclass(frozen=True)
class WorkersReaders:
    """What the worker does."""

    ground: EngineGround
    party: Party

    @property
    def engine(self) -> Engine:
        return self.ground.engine

    def status(self) -> None:
        self.ground.run({"action": "status", "session_id": self.party.session})

    def generate_again(self) -> None:
        self.ground.run(self.party.generate, self.party.job)

    def go_on_with_the_halted(self) -> None:
        self.ground.run(self.party.halted_generate, self.party.halted)

    def recall_speech(self) -> None:
        with speech_of(self.ground, self.party) as pieces:
            assert all(piece.samples.size for piece in pieces)

    def create_again(self) -> None:
        creation = {"action": "create_session", "session_id": self.party.session, "owner": self.party.owner}
        self.ground.run({**creation, "avatar_video_path": self.party.upload})

    def delete(self) -> None:
        self.ground.run({"action": "delete_session", "session_id": self.party.session, "forget_avatar": True})

    def ask_to_stop(self) -> None:
        self.engine.generation.jobs.ask_to_stop(self.party.halted)

    def sweep(self) -> None:
        engine = self.engine
        library = engine.sessions.library
        Housekeeper.of(engine.settings, engine.store, engine.records, library, utc_now).sweep(utc_now())

    def count(self) -> None:
        """Another video of the same owner on the same day."""
        now = utc_now()
        Ledger.of(self.engine.store).write(
            Entry(
                day=now.date(),
                name="victim-another",
                owner=self.party.owner,
                job_id="victim-another",
                session_id=self.party.session,
                written=now,
                avatar_sha256=None,
                spoken="sound",
                spoken_sha256=None,
                renderer="preview",
                seconds=0.12,
            )
        )


class ServersReaders:
    """What the REST server does, by the parts that its routes are made of."""

    def __init__(self, ground: EngineGround, party: Party) -> None:
        self._engine, self._party = ground.engine, party
        self._store: ObjectStore = ground.engine.store
        self._records = ground.engine.records
        self._caller = Caller(party.owner, party.name, "key")
        self._links = Links(SigningSecret(SecretStr("s" * 32), self._store), 600, is_guarded=True)
        self._accepted = AcceptedJobs(self._store, utc_now)
        lifetimes = Lifetimes.of(ground.engine.settings)
        self._avatars = StoredAvatars(self._store, self._records, lifetimes, self._links, utc_now)

    def session(self) -> None:
        record = self._engine.sessions.owned(self._party.session, self._party.owner)
        session_state(record, "preview", self._links, self._caller).model_dump_json()
        Thumbnails(self._store).of_session(record)

    def sessions(self) -> None:
        records = self._records.sessions

        async def find(entry: Any) -> Any:
            return records.found(entry)

        page = asyncio.run(page_of(PageAsked(10, None), self._party.owner, records, find, utc_now()))
        for record in page.items:
            session_state(record, "preview", self._links, self._caller).model_dump_json()

    def avatar(self) -> None:
        self._avatars.reply(self._avatars.get(self._party.upload, self._caller), self._caller).model_dump_json()
        self._avatars.thumbnail(self._party.upload, self._caller)

    def avatars(self) -> None:
        asyncio.run(self._avatars.page(PageAsked(10, None), self._caller)).model_dump_json()

    def delete_avatar(self) -> None:
        self._avatars.delete(self._party.upload, self._caller)

    def complete_upload(self) -> None:
        coming = AnnouncedUploads(self._store, self._avatars, Consent(False), 10**9, 60, utc_now)
        coming.expected(f"{self._party.upload}-coming", self._caller)
        coming.complete(f"{self._party.upload}-coming", self._caller)

    def stream(self) -> None:
        streams = StoredStreams(self._store, self._records, utc_now, self._accepted)
        for stream_id in (self._party.job, self._party.halted):
            streams.demand_owned(stream_id, self._caller)
            try:
                streams.look(stream_id)
            except GenerationFailed as failed:
                raise failed.cause from failed

    def job(self) -> None:
        for job_id in (self._party.job, self._party.halted, self._party.later):
            self._report(job_id)

    def _report(self, job_id: str) -> None:
        reports = JobReports(self._store, self._records, self._accepted, self._links, lambda _: None, utc_now)
        reports.reply(reports.find(job_id, self._caller), self._caller).model_dump_json()

    def begin_accepted(self) -> None:
        later = self._party.later
        self._accepted.unfinished_ids()
        self._accepted.request(later)
        self._accepted.change(later, lambda job: job.model_copy(update={"holder": "another-server"}))

    def end_accepted(self) -> None:
        ended = self._accepted.end(self._party.later, "done")
        if ended is not None and ended.next_delivery is None:
            self._accepted.finish(self._party.later)

    def end_accepted_with_session(self) -> None:
        self._accepted.end_with_session(self._party.session)

    def lease(self) -> None:
        async def hold() -> None:
            async with Leases(self._store, utc_now).held(self._party.scope, 2):
                pass

        asyncio.run(hold())

    def token(self) -> None:
        counts = TokenCounts(self._store, utc_now)
        counts.keep(counts.spend(self._party.token, "mark"))
        counts.give_back(counts.spend(self._party.token, None))

    def keyed_request(self) -> None:
        kept = TypeAdapter(dict[str, Any])
        asyncio.run(KeyedRequests(self._store, utc_now).once(self._party.request, kept, reply_of_a_keyed_request))

    def budget(self) -> None:
        spending = Spending(self._store, utc_now)
        spending.of(self._party.owner)
        spending.total()
        Total(self._store).of(utc_now().date())

    def stop(self) -> None:
        StopSign(self._store).read()

    def health(self) -> None:
        newest_boot_record(self._store)

    def catalogue(self) -> None:
        is_fresh(stored_catalogue(self._store), choose_catalogue(self._engine.settings), utc_now())


SESSION = ("status", "create_again", "delete", "session", "sessions", "generate_again")
JOB = ("ask_to_stop", "stream", "job", "sweep")
READERS_OF: dict[str, tuple[str, ...]] = {
    "session": (*SESSION, *SESSION, "sweep"),
    "job": ("generate_again", *JOB),
    "halted job": ("go_on_with_the_halted", *JOB),
    "kept speech": ("recall_speech",),
    "kept sound": ("recall_speech",),
    "upload": ("avatar", "avatars", "delete_avatar", "create_again", "sweep"),
    "announced upload": ("complete_upload", "sweep"),
    "stream": ("stream", "sweep"),
    "accepted job": ("job", "stream", "begin_accepted", "end_accepted", "end_accepted_with_session", "sweep"),
    "accepted request": ("begin_accepted",),
    "lease": ("lease",),
    "token": ("token",),
    "keyed request": ("keyed_request",),
    "counters": ("budget", "count"),
    "ledger": ("sweep", "generate_again"),
    "boot record": ("health", "sweep"),
    "stop": ("stop",),
    "catalogue": ("catalogue",),
}
"""By kind of record, who reads it; who is named twice does so more often."""


def readers(ground: EngineGround, party: Party) -> dict[str, Callable[[], None]]:
    """Every reader by its name."""
    both = (WorkersReaders(ground, party), ServersReaders(ground, party))
    names = {name for wanted in READERS_OF.values() for name in wanted}
    return {name: getattr(each, name) for each in both for name in names if hasattr(each, name)}
