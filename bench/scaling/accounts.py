"""Whether every job came to exactly one end: by what the queue has of it, and by what lies in the store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.job_ids import record_id_of
from tests.worker.queue_jobs import QueuedJob


@dataclass(frozen=True)
class Accounts:
    """Ids of jobs: all that were ``acknowledged`` to their callers, and of them

    failed: those that ended in a typed error. lost: those that have neither that nor a result whose video lies in the
    store. doubled: those that were ended more than once, or have more than one folder of outputs.
    """

    acknowledged: tuple[str, ...]
    failed: tuple[str, ...]
    lost: tuple[str, ...]
    doubled: tuple[str, ...]

    @property
    def are_right(self) -> bool:
        return not self.lost and not self.doubled


def settled(acknowledged: Iterable[str], jobs: Iterable[QueuedJob], stored: Collection[str]) -> Accounts:
    """The accounts at the end, of what the queue has and the keys of all that is stored."""
    known = {job.id: job for job in jobs}
    ids = tuple(acknowledged)
    folders = _folders(stored)
    return Accounts(
        acknowledged=ids,
        failed=tuple(each for each in ids if each in known and _has_typed_error(known[each])),
        lost=tuple(each for each in ids if each not in known or _is_lost(known[each], stored)),
        doubled=tuple(job.id for job in known.values() if _is_doubled(job, folders)),
    )


def _is_lost(job: QueuedJob, stored: Collection[str]) -> bool:
    if job.status != "COMPLETED":
        return not _has_typed_error(job)
    output = job.output
    return not isinstance(output, dict) or not output or not _video_is_stored(output, stored)


def _video_is_stored(output: dict[str, Any], stored: Collection[str]) -> bool:
    """A session's making has no video."""
    return "video_key" not in output or output["video_key"] in stored


def _has_typed_error(job: QueuedJob) -> bool:
    """RunPod's queue knows an error as a text; the worker's is JSON."""
    with suppress(ValueError):
        error = json.loads(job.error or "")
        return job.status == "FAILED" and isinstance(error, dict) and bool(error.get("code"))
    return False


def _is_doubled(job: QueuedJob, folders: Counter[str]) -> bool:
    return sum(not post.is_progress for post in job.posts) > 1 or folders[record_id_of(job.id)] > 1


def _folders(stored: Iterable[str]) -> Counter[str]:
    """How many folders of outputs each job has: outputs/{session}/{job}-{a hash of its input}."""
    found = {tuple(key.split("/")[1:3]) for key in stored if key.startswith("outputs/")}
    return Counter(folder.rpartition("-")[0] for _, folder in found)
