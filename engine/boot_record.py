"""What a worker was when it began to take jobs, for those who ask how workers are without waking one."""

from __future__ import annotations

import re
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.reading import read_as
from engine.schemas import HealthReply
from engine.store.protocol import ObjectStore

FOLDER = "workers"

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


class BootRecord(BaseModel):
    """``pod``: the worker's own name; ``phases``: seconds that each part of its start took."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pod: str
    booted: AwareDatetime
    device: str
    cuda_available: bool
    models_loaded: bool
    renderer: str
    versions: dict[str, str]
    phases: dict[str, float] = Field(default_factory=dict)

    @classmethod
    def of(cls, pod: str, health: HealthReply, phases: dict[str, float], booted: datetime) -> BootRecord:
        """The record of a worker that has just loaded everything."""
        return cls(
            pod=pod,
            booted=booted,
            device=health.device,
            cuda_available=health.cuda_available,
            models_loaded=health.models_loaded,
            renderer=health.renderer,
            versions=health.versions,
            phases={name: round(seconds, 3) for name, seconds in phases.items()},
        )


def write_boot_record(store: ObjectStore, record: BootRecord) -> None:
    """Raises what the store raises."""
    pod = _FOREIGN.sub("-", record.pod)[:64] or "worker"
    store.put(f"{FOLDER}/{pod}.json", record.model_dump_json().encode(), "application/json")


def newest_boot_record(store: ObjectStore) -> BootRecord | None:
    """The one that was written last; None when there is none. Raises RecordDamaged when it can't be read."""
    # Beside the records lies for a moment what a worker that starts tries the store with.
    records = (info for info in store.list(f"{FOLDER}/") if info.key.endswith(".json"))
    newest = max(records, key=lambda info: info.modified, default=None)
    found = None if newest is None else store.get(newest.key)
    return None if found is None else read_as(BootRecord, found)
