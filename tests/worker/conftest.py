"""One queue, one tiny avatar and one worker for all scenarios that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.elevenlabs import ElevenLabsServer
from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker


@pytest.fixture(scope="session")
def tiny_avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for one second, 256 x 256."""
    return talking_head(tmp_path_factory.mktemp("avatar") / "tiny.mp4")


@pytest.fixture(scope="module")
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


@pytest.fixture(scope="module")
def endpoint(queue: QueueStandIn) -> Iterator[Endpoint]:
    endpoint = Endpoint(queue)
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"), tiny_avatar).make()


@pytest.fixture(scope="module")
def elevenlabs() -> Iterator[ElevenLabsServer]:
    with ElevenLabsServer() as server:
        yield server


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, ground: Ground) -> Iterator[Worker]:
    """A worker with free slots, so that the SDK takes jobs without its pause of a second."""
    with Worker(queue, ground, "pod1", {"MAX_CONCURRENCY": "4", "MAX_TEXT_CHARACTERS": "3000"}) as worker:
        yield worker
