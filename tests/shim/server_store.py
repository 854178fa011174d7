"""What a server has in its store, as a test looks into it: a folder, or a bucket that it shares with its workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from engine.store.s3 import S3Store
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket


@dataclass(frozen=True)
class ServerStore:
    """``environment``: the variables that lead the server to it. ``unfinished``: how many files are on their way into
    it, or were left on it; a bucket sees nothing of a small file before it is whole."""

    store: ObjectStore
    environment: Mapping[str, str]
    unfinished: Callable[[], int]
    in_bucket: bool

    @classmethod
    def folder(cls, ground: Ground) -> ServerStore:
        incoming = ground.store / "+incoming"
        return cls(LocalStore(ground.store), {}, lambda: len(list(incoming.iterdir())), in_bucket=False)

    @classmethod
    def bucket(cls, bucket: WorkersBucket) -> ServerStore:
        def unfinished() -> int:
            return bucket.server.unfinished_uploads(bucket.settings)

        return cls(S3Store(bucket.settings), bucket.environment(), unfinished, in_bucket=True)

    def keys(self, prefix: str) -> set[str]:
        """Every object below ``prefix``."""
        return {info.key for info in self.store.list(prefix)}

    def body(self, key: str) -> bytes:
        """The object at ``key``, which has to be there."""
        found = self.store.get(key)
        assert found is not None, key
        return found.body

    def job(self, job_id: str) -> dict[str, Any]:
        """The record of a job."""
        record: dict[str, Any] = json.loads(self.body(f"jobs/{job_id}.json"))
        return record
