"""The list of voices that a worker leaves in the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.speech.choose import choose_catalogue
from engine.speech.settings import SpeechSettings
from engine.store.local import LocalStore
from engine.stored_catalogue import stored_catalogue
from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.worker.paid_voice import account, wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker
from worker.catalogue import keep_in_background

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def elevenlabs() -> Iterator[ElevenLabsServer]:
    with ElevenLabsServer() as running:
        yield running


def test_a_worker_leaves_its_accounts_voices(
    queue: QueueStandIn, elevenlabs: ElevenLabsServer, tmp_path: Path, tiny_avatar: Path
) -> None:
    ground = Ground(tmp_path, tiny_avatar).make()
    # The first one finds the service silent, and is there for jobs all the same.
    elevenlabs.script_lists(Behaviour.HANG)
    with Worker(queue, ground, "first", account(elevenlabs)):
        wait_for(lambda: len(elevenlabs.listings) == 1)
        assert stored_catalogue(LocalStore(ground.store)) is None
    with Worker(queue, ground, "second", account(elevenlabs)):
        wait_for(lambda: stored_catalogue(LocalStore(ground.store)) is not None)
    kept = stored_catalogue(LocalStore(ground.store))
    assert kept is not None
    assert (kept.provider, len(kept.voices), len(kept.models)) == ("elevenlabs", 4, 2)


def test_a_fresh_list_is_left_alone_and_a_failure_is_logged(
    elevenlabs: ElevenLabsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {name.lower(): value for name, value in account(elevenlabs).items()}
    source, store = choose_catalogue(SpeechSettings.model_validate(variables)), LocalStore(tmp_path)
    elevenlabs.script_lists(Behaviour.SERVER_ERROR)
    with caplog.at_level(logging.WARNING):
        keep_in_background(store, source, lambda: NOW).join()
    assert "could not be kept" in caplog.text
    for _ in range(2):
        keep_in_background(store, source, lambda: NOW).join()
    assert elevenlabs.listings.count("/v1/models") == 1
    keep_in_background(store, source, lambda: NOW + timedelta(hours=1)).join()
    assert elevenlabs.listings.count("/v1/models") == 2
