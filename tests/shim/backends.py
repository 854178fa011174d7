"""A server with each of the two backends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tests.servers.endpoint import S3Endpoint
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

LIMITS = {"MAX_CONCURRENCY": "2", "MAX_AVATAR_BYTES": "2000000", "MAX_AUDIO_BYTES": "500000"}
PATIENT_HANDLER = Path(__file__).parent / "patient_handler.py"


@contextmanager
def in_process(ground: Ground, moto: S3Endpoint, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The engine in the server's process, with a folder."""
    with Server(ground, {**LIMITS, **(settings or {})}) as server:
        yield server


@contextmanager
def before_an_endpoint(ground: Ground, moto: S3Endpoint, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A queue, one worker, and a bucket that it shares with the server, which alone has the ``settings``."""
    bucket = WorkersBucket.on(moto)
    with (
        QueueStandIn() as queue,
        patient_worker(queue, ground, "pod1", bucket, LIMITS),
        Server(ground, {**LIMITS, **(settings or {})}, ServerStore.bucket(bucket), queue) as server,
    ):
        yield server


def patient_worker(
    queue: QueueStandIn, ground: Ground, pod: str, bucket: WorkersBucket, settings: Mapping[str, str]
) -> Worker:
    # With fewer places the SDK waits a second between two jobs.
    own = {**settings, "MAX_CONCURRENCY": "6", "PYTHONPATH": str(REPOSITORY)}
    return Worker(queue, ground, pod, {**bucket.environment(), **own}, PATIENT_HANDLER)


class Starting(Protocol):
    """Starts a server with one backend. ``settings``: variables of the server beside the LIMITS."""

    def __call__(
        self, ground: Ground, moto: S3Endpoint, settings: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Server]: ...


BACKENDS: dict[str, Starting] = {
    "in-process": in_process,
    "endpoint": before_an_endpoint,
}
"""How a server with each backend is started."""
