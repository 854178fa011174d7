"""The look that every worker of these tests gets at its end would find a secret that was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.endpoint import Endpoint
from tests.worker.queue_standin import KEY, QueueStandIn
from tests.worker.worker_process import Ground, Worker


def test_a_secret_in_a_result_is_found(
    queue: QueueStandIn, endpoint: Endpoint, tmp_path: Path, tiny_avatar: Path
) -> None:
    ground = Ground(tmp_path, tiny_avatar).make()
    worker = Worker(queue, ground, "telling")
    with pytest.raises(AssertionError, match="RUNPOD_AI_API_KEY"), worker:
        assert endpoint.output({"text": "Hi.", "metadata": {"echoed": KEY}})["metadata"] == {"echoed": KEY}
