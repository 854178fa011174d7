"""A store that holds one of everything that is kept: all of a victim's, and the same of a neighbour.

Whatever is mutated is the victim's. Nothing of the neighbour's is named in it, and has the neighbour's name in its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from engine.avatar.uploads import upload_key
from engine.boot_record import BootRecord, write_boot_record
from engine.cancel import CancelToken
from engine.clock import utc_now
from engine.kept_speech import KeptSpeech
from engine.records import AvatarRecord
from engine.schemas import Generate
from engine.speech.catalogue import Catalogue, CatalogueModel, CatalogueVoice
from engine.speech.voice import SpeechPiece, Utterance, Word
from engine.store.protocol import ObjectStore
from engine.stored_catalogue import keep_catalogue
from shim.avatars.announced import AnnouncedRecord
from shim.browsers.spending import TokenCounts
from shim.budgets.stop import Stop, StopSign
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.record import AcceptedJob, JobCaller, Webhook
from shim.keyed_requests import KeyedRequests, RequestKey
from shim.limits.leases import Leases, LeaseScope
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64

VICTIM, NEIGHBOUR = "victim", "neighbour"
SOUND = wav_base64(hum(0.12))


@dataclass(frozen=True)
class Party:
    """Whoever has one of everything, by a name that stands in every key but those that are hashes."""

    name: str

    @property
    def owner(self) -> str:
        return f"{self.name}-owner"

    @property
    def session(self) -> str:
        return f"{self.name}-session"

    @property
    def job(self) -> str:
        return f"{self.name}-job"

    @property
    def halted(self) -> str:
        """A job whose worker was killed."""
        return f"{self.name}-halted"

    @property
    def later(self) -> str:
        """A job that was accepted to be done later."""
        return f"{self.name}-later"

    @property
    def upload(self) -> str:
        return f"{self.name}-upload"

    @property
    def token(self) -> str:
        return f"{self.name}-token"

    @property
    def scope(self) -> LeaseScope:
        return LeaseScope("session", self.session)

    @property
    def request(self) -> RequestKey:
        return RequestKey(f"{self.name}-request", "body")

    @property
    def generate(self) -> dict[str, Any]:
        return {"session_id": self.session, "owner": self.owner, "audio_base64": SOUND, "stream": True}

    @property
    def halted_generate(self) -> dict[str, Any]:
        return {"session_id": self.session, "owner": self.owner, "audio_base64": SOUND}

    @property
    def speech(self) -> str:
        """The folder of speech that was bought for a job."""
        return f"outputs/{self.session}/{self.halted}-0a1b2c3d/speech"


NOW = {"heartbeat": utc_now(), "created": utc_now(), "updated": utc_now()}


def fill(ground: EngineGround, party: Party, frames: int) -> None:
    """Make everything of the party's, through the code that makes it in the product; ``frames``: of its avatar."""
    _upload(ground, party, frames)
    _generate(ground, party)
    _halt(ground, party)
    asyncio.run(_front(ground.engine.store, party))
    write_boot_record(ground.engine.store, BootRecord.of(f"{party.name}-pod", ground.engine.health(), {}, utc_now()))


def fill_common(store: ObjectStore) -> None:
    """What there is once for all."""
    StopSign(store).put_up(Stop(reason="Maintenance.", since=utc_now()))
    voices, models = (CatalogueVoice(id="one", name="One"),), (CatalogueModel(id="two", name="Two"),)
    keep_catalogue(
        store, Catalogue(provider="espeak", origin="here", fetched_at=utc_now(), voices=voices, models=models)
    )


def _upload(ground: EngineGround, party: Party, frames: int) -> None:
    clip = talking_head(ground.folder / f"{party.name}.mp4", frames=frames).read_bytes()
    engine = ground.engine
    engine.store.put(upload_key(party.owner, party.upload), clip)
    engine.records.avatars.create(AvatarRecord(avatar_id=party.upload, owner=party.owner, bytes=len(clip), **NOW))
    announced = AnnouncedRecord(upload_id=f"{party.upload}-coming", owner=party.owner, bytes=9, **NOW)
    engine.store.put(f"incoming/{announced.upload_id}.json", announced.model_dump_json().encode())
    engine.store.put(f"incoming/{announced.upload_id}", b"123456789")


def _generate(ground: EngineGround, party: Party) -> None:
    creation = {"action": "create_session", "session_id": party.session, "owner": party.owner}
    ground.run({**creation, "avatar_video_path": party.upload}, f"{party.name}-creation")
    ground.run(party.generate, party.job)


def _halt(ground: EngineGround, party: Party) -> None:
    """Leave a job as its worker's death does: what it had written until then."""
    store, left = ground.engine.store, dict[str, bytes]()

    def look(_: dict[str, Any]) -> None:
        kept = [info.key for info in store.list("") if party.halted in info.key]
        if not left:
            left.update({key: found.body for key in kept if (found := store.get(key)) is not None})

    ground.run(party.halted_generate, party.halted, progress=look)
    assert left, "the job has written nothing while it ran"
    for info in list(store.list("")):
        if party.halted in info.key and info.key not in left:
            store.delete(info.key)
    for key, body in left.items():
        store.put(key, body)
    with speech_of(ground, party):
        pass


@contextmanager
def speech_of(ground: EngineGround, party: Party) -> Iterator[list[SpeechPiece]]:
    """The party's speech as it lies in the store, or bought if it doesn't."""
    kept = KeptSpeech(ground.engine.store, party.speech)
    with (
        TemporaryDirectory(dir=ground.folder / "scratch") as scratch,
        kept.recall_or_buy(_sold, Path(scratch), CancelToken()) as utterance,
    ):
        yield list(utterance.pieces)


def _sold(cancel: CancelToken) -> Utterance:
    return Utterance("shop:voice", 2, _pieces())


def _pieces() -> Generator[SpeechPiece, None, None]:
    yield SpeechPiece(np.arange(4_800, dtype=np.int16), (Word("Hi", 0.0, 0.1),))


async def _front(store: ObjectStore, party: Party) -> None:
    """What the REST server writes."""
    request = Generate.model_validate(party.generate)
    caller = JobCaller(owner=party.owner, name=party.name, kind="key")
    job = AcceptedJob(
        job_id=party.later,
        session_id=party.session,
        caller=caller,
        body_hash="0" * 64,
        holder=f"{party.name}-server",
        webhook=Webhook(url="https://name.invalid/", message_id=f"{party.name}-message"),
        metadata={"a": 1},
        **NOW,
    )
    AcceptedJobs(store, utc_now).keep(job, request)
    store.put(f"replicas/{party.name}-server", b"")
    TokenCounts(store, utc_now).open(party.token, 3, utc_now() + timedelta(hours=1))
    async with Leases(store, utc_now).held(party.scope, 2):
        key = f"leases/{party.scope.record_id}.json"
        held = store.get(key)
    assert held is not None
    store.put(key, held.body)
    await KeyedRequests(store, utc_now).once(party.request, TypeAdapter(dict[str, Any]), reply_of_a_keyed_request)


async def reply_of_a_keyed_request(subject: str) -> dict[str, Any]:
    """What such a request makes."""
    return {"session_id": subject}
