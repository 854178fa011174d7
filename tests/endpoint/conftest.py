from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worker.queue_standin import QueueStandIn


@pytest.fixture(scope="package")
def shared_queue() -> Iterator[QueueStandIn]:
    with QueueStandIn(hold_seconds=0.2) as queue:
        yield queue


@pytest.fixture
def queue(shared_queue: QueueStandIn) -> QueueStandIn:
    """One queue for all, without the faults that an earlier test planned."""
    shared_queue.faults.forget()
    return shared_queue
