"""A worker as it is, but for a store that counts: run as a program, in handler.py's place.

When it ends it leaves in its working folder, as `{pod}.requests`, how often it asked the store for something.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.counted_store import CountedStore
from engine.engine import Engine
from engine.settings import read_settings
from handler import serve
from worker import logs, sdk
from worker.boot import BootPhases, process_age


def main() -> int:
    phases = BootPhases(process_age())
    with phases.phase("loading_sdk"):
        runpod = sdk.load()
    settings = read_settings()
    logs.configure(settings.log_level, os.environ)
    store = CountedStore(settings.store_dir)
    with phases.phase("loading"):
        engine = Engine.open(settings, store)
    with phases.phase("warming"):
        engine.warm()
    try:
        return serve(runpod, settings, engine, phases, os.environ)
    finally:
        requests_of(os.environ["RUNPOD_POD_ID"]).write_text(str(store.counts().total()))


def requests_of(pod: str) -> Path:
    """Where the worker leaves its count, from its working folder."""
    return Path(f"{pod}.requests")


if __name__ == "__main__":
    sys.exit(main())
