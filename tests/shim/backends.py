"""A server with each of the two backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.servers.endpoint import S3Endpoint
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

LIMITS = {"MAX_CONCURRENCY": "2", "MAX_AVATAR_BYTES": "2000000", "MAX_AUDIO_BYTES": "500000"}
PATIENT_HANDLER = Path(__file__).parent / "patient_handler.py"


@contextmanager
def in_process(ground: Ground, moto: S3Endpoint) -> Iterator[Server]:
    """The engine in the server's process, with a folder."""
    with Server(ground, LIMITS) as server:
        yield server


@contextmanager
def before_an_endpoint(ground: Ground, moto: S3Endpoint) -> Iterator[Server]:
    """A queue, one worker, and a bucket that it shares with the server."""
    bucket = WorkersBucket.on(moto)
    with (
        QueueStandIn() as queue,
        patient_worker(queue, ground, "pod1", bucket, LIMITS),
        Server(ground, LIMITS, ServerStore.bucket(bucket), queue) as server,
    ):
        yield server


def patient_worker(
    queue: QueueStandIn, ground: Ground, pod: str, bucket: WorkersBucket, settings: Mapping[str, str]
) -> Worker:
    # With fewer places the SDK waits a second between two jobs.
    own = {**settings, "MAX_CONCURRENCY": "6", "PYTHONPATH": str(REPOSITORY)}
    return Worker(queue, ground, pod, {**bucket.environment(), **own}, PATIENT_HANDLER)


BACKENDS: dict[str, Callable[[Ground, S3Endpoint], AbstractContextManager[Server]]] = {
    "in-process": in_process,
    "endpoint": before_an_endpoint,
}
"""How a server with each backend is started."""
