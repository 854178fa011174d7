"""A worker as it is, but for a store that counts: run as a program, in handler.py's place.

As with a bucket, which has rules of its own for what is old, it does no housekeeping. When it ends it leaves in its
working folder, as `{pod}.requests`, how often it asked the store for something.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

from bench.counted_requests import CountedRequests
from engine.engine import Engine
from engine.settings import read_settings
from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from handler import serve
from worker import logs, sdk
from worker.boot import BootPhases, process_age


def main() -> int:
    phases = BootPhases(process_age())
    with phases.phase("loading_sdk"):
        runpod = sdk.load()
    settings = read_settings()
    logs.configure(settings.log_level, os.environ)
    with phases.phase("loading"):
        store = CountedRequests(choose_store(settings, os.environ))
        engine = Engine.open(settings, cast(ObjectStore, store))
    with phases.phase("warming"):
        engine.warm()
    try:
        return serve(runpod, settings, engine, phases, os.environ)
    finally:
        requests_of(os.environ["RUNPOD_POD_ID"]).write_text(str(store.since_last().total()))


def requests_of(pod: str) -> Path:
    """Where the worker leaves its count, from its working folder."""
    return Path(f"{pod}.requests")


if __name__ == "__main__":
    sys.exit(main())
