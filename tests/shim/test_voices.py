"""GET /api/v1/voices and /models: where the list comes from, and what happens when it can't be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from engine.speech.catalogue import Catalogue
from engine.stored_catalogue import KEY, keep_catalogue, stored_catalogue
from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.servers.elevenlabs_account import GEORGE, PAID
from tests.servers.endpoint import S3Endpoint
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.waiting import wait_until
from tests.worker.paid_voice import SPEECH_KEY, account
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

VOICES, MODELS = "/api/v1/voices", "/api/v1/models"
CONTRACTS = {"George", "Rachel", "Domi", "Bella", "Antoni"}


@pytest.fixture
def elevenlabs() -> Iterator[ElevenLabsServer]:
    with ElevenLabsServer() as running:
        yield running


@pytest.fixture
def paying(fresh_ground: Ground, elevenlabs: ElevenLabsServer) -> Iterator[Server]:
    """A server with an account."""
    with Server(fresh_ground, account(elevenlabs)) as server:
        yield server
        assert SPEECH_KEY not in server.log()


@pytest.fixture
def keyless(fresh_ground: Ground, moto: S3Endpoint) -> Iterator[Server]:
    """A server in front of an endpoint without a worker, and without an account."""
    with QueueStandIn() as queue, Server(fresh_ground, {}, ServerStore.bucket(WorkersBucket.on(moto)), queue) as server:
        yield server


def test_without_an_account_espeaks_five_are_told(server: Server) -> None:
    # A worker of the endpoint writes them down beside its first jobs.
    wait_until(lambda: server.http.get(VOICES).status_code == 200)
    told = server.http.get(VOICES).json()
    assert told["provider"] == "espeak"
    assert {voice["name"] for voice in told["voices"]} == CONTRACTS
    assert [voice["id"] for voice in told["voices"] if voice["default"]] == [GEORGE]
    assert "preview_url" not in told["voices"][0]
    assert [model["id"] for model in server.http.get(MODELS).json()["models"]] == ["espeak-ng"]


def test_an_accounts_list_is_fetched_once_an_hour(paying: Server, elevenlabs: ElevenLabsServer) -> None:
    told = paying.http.get(VOICES).json()
    assert {voice["id"]: voice["available"] for voice in told["voices"]}[PAID] is False
    asked = len(elevenlabs.listings)
    assert paying.http.get(VOICES).json() == told
    assert paying.http.get(MODELS).json()["models"][0]["id"] == "eleven_multilingual_v2"
    assert len(elevenlabs.listings) == asked
    make_old(paying, hours=2)
    elevenlabs.account.voices[0]["name"] = "George II"
    assert paying.http.get(VOICES).json()["voices"][0]["name"] == "George II"


def test_an_old_list_is_served_while_the_service_is_away(paying: Server, elevenlabs: ElevenLabsServer) -> None:
    told = paying.http.get(VOICES).json()
    make_old(paying, hours=30)
    elevenlabs.script_lists(Behaviour.SERVER_ERROR)
    asked = len(elevenlabs.listings)
    for _ in range(3):
        assert paying.http.get(VOICES).json()["voices"] == told["voices"]
    assert len(elevenlabs.listings) == asked + 1
    assert "could not be fetched" in paying.log()


def test_nothing_yet_and_the_service_away_is_503(paying: Server, elevenlabs: ElevenLabsServer) -> None:
    elevenlabs.script_lists(Behaviour.HTML_502)
    for path in (VOICES, MODELS):
        refused = paying.http.get(path)
        assert error_of(refused, 503, "voices_unavailable")["retryable"]
        assert int(refused.headers["retry-after"]) > 0


def test_a_refused_key_is_told_as_the_operators(paying: Server, elevenlabs: ElevenLabsServer) -> None:
    elevenlabs.script_lists(Behaviour.INVALID_KEY)
    error_of(paying.http.get(VOICES), 500, "tts_misconfigured")


def test_the_list_of_another_service_is_not_served(paying: Server) -> None:
    keep_catalogue(paying.stored.store, Catalogue(provider="espeak", origin="other", fetched_at=datetime.now(UTC)))
    assert paying.http.get(VOICES).json()["provider"] == "elevenlabs"


def test_without_an_account_the_workers_list_is_served(keyless: Server) -> None:
    error_of(keyless.http.get(VOICES), 503, "voices_unavailable")
    keyless.stored.store.put(KEY, b"{")
    error_of(keyless.http.get(VOICES), 503, "voices_unavailable")
    old = datetime.now(UTC) - timedelta(days=3)
    keep_catalogue(keyless.stored.store, Catalogue(provider="elevenlabs", origin="o", fetched_at=old))
    told = keyless.http.get(VOICES)
    assert told.status_code == 200
    assert datetime.fromisoformat(told.json()["fetched_at"]) == old
    keep_catalogue(keyless.stored.store, Catalogue(provider="none", origin="o", fetched_at=old))
    assert "ELEVENLABS_API_KEY" in error_of(keyless.http.get(VOICES), 500, "tts_not_configured")["detail"]


def make_old(server: Server, hours: int) -> None:
    catalogue = stored_catalogue(server.stored.store)
    assert catalogue is not None
    changed = catalogue.model_copy(update={"fetched_at": catalogue.fetched_at - timedelta(hours=hours)})
    keep_catalogue(server.stored.store, changed)
    assert json.loads(server.stored.body(KEY))["voices"]
