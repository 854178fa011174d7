"""Outages that last: the job fails with an error that a retry helps with, and the retry goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.elevenlabs import ElevenLabsServer
from tests.servers.endpoint import S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.worker.endpoint import Endpoint, error_of
from tests.worker.paid_voice import account
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

IMPATIENT = Path(__file__).with_name("impatient_worker.py")


@dataclass(frozen=True)
class Scene:
    """A worker whose bucket and whose voice can be away, and a session of its own."""

    store: FaultyProxy
    voice: FaultyProxy
    session: str

    def go_away(self) -> None:
        self.store.away = True


@pytest.fixture(scope="module")
def scene(
    queue: QueueStandIn, endpoint: Endpoint, ground: Ground, moto: S3Endpoint, elevenlabs: ElevenLabsServer
) -> Iterator[Scene]:
    speech_port = urlsplit(elevenlabs.base_url).port or 0
    with faulty_proxy(moto.port) as store, faulty_proxy(speech_port) as voice:
        settings = {**WorkersBucket.on(moto).environment(store.url), **account(elevenlabs)}
        settings |= {"ELEVENLABS_BASE_URL": voice.url, "PYTHONPATH": str(REPOSITORY), "MAX_CONCURRENCY": "4"}
        with Worker(queue, ground, "patient", settings, IMPATIENT):
            yield Scene(store, voice, endpoint.output({"action": "create_session"})["session_id"])


def test_a_store_that_stays_away_in_the_middle(scene: Scene, endpoint: Endpoint, elevenlabs: ElevenLabsServer) -> None:
    bought = len(elevenlabs.requests)
    scene.store.faults.append(Fault("PUT", "refuse", "audio.mp3", then=scene.go_away))
    job_id = endpoint.run({"session_id": scene.session, "text": "Nobody keeps this."})
    error = error_of(endpoint.ended(job_id))
    assert (error["code"], error["retryable"]) == ("storage_unavailable", True)
    scene.store.away = False
    endpoint.retry(job_id)
    assert endpoint.ended(job_id)["status"] == "COMPLETED"
    assert len(elevenlabs.requests) - bought == 1


def test_a_voice_that_is_away(scene: Scene, endpoint: Endpoint, elevenlabs: ElevenLabsServer) -> None:
    scene.voice.away = True
    job_id = endpoint.run({"session_id": scene.session, "text": "Nobody speaks this."})
    error = error_of(endpoint.ended(job_id))
    assert (error["code"], error["retryable"]) == ("tts_unavailable", True)
    scene.voice.away = False
    endpoint.retry(job_id)
    assert endpoint.ended(job_id)["status"] == "COMPLETED"
