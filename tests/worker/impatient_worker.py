"""A worker that waits for its bucket 2 seconds instead of 45: run as a program, in handler.py's place."""

from __future__ import annotations

import os
import sys

from engine.engine import Engine
from engine.settings import read_settings
from engine.store.bucket_settings import read_bucket_settings
from engine.store.patience import Patience
from engine.store.s3 import S3Store
from handler import serve
from worker import logs, sdk
from worker.boot import BootPhases, process_age


def main() -> int:
    phases = BootPhases(process_age())
    runpod = sdk.load()
    settings = read_settings()
    logs.configure(settings.log_level, os.environ)
    bucket = read_bucket_settings(os.environ)
    assert bucket is not None
    engine = Engine.open(settings, S3Store(bucket, Patience(operation=2.0)))
    return serve(runpod, settings, engine, phases, os.environ)


if __name__ == "__main__":
    sys.exit(main())
