"""Housekeeping by hand, or by cron.

    python -m engine.housekeeping sweep        remove what has expired, once, from the store of the settings
    python -m engine.housekeeping lifecycle    print the rules by which the bucket does most of that by itself

The rules replace all that the bucket has:

    python -m engine.housekeeping lifecycle > rules.json
    aws s3api put-bucket-lifecycle-configuration --bucket NAME --lifecycle-configuration file://rules.json

A worker with a local store sweeps by itself. With a bucket, have the rules, and sweep about once a day: expired
sessions, and the avatars that nobody uses any more, have no rule.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from engine.clock import utc_now
from engine.errors import ConfigurationError, EngineError
from engine.housekeeping.lifecycle import lifecycle
from engine.lifetimes import Lifetimes
from engine.settings import read_settings
from engine.store.bucket_settings import read_bucket_settings


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO) -> int:
    """Do what the command line says, print its result on ``out`` as JSON, and return the exit code.

    1: some of what has expired could not be removed. 2: nothing was done.
    """
    parser = argparse.ArgumentParser(
        prog="python -m engine.housekeeping", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("sweep", "lifecycle"))
    command = parser.parse_args(arguments).command
    try:
        return _sweep(environment, out) if command == "sweep" else _print_lifecycle(environment, out)
    except EngineError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2


def _sweep(environment: Mapping[str, str], out: TextIO) -> int:
    # Loaded late: printing rules needs no renderer.
    from engine.avatar.library import AvatarLibrary
    from engine.housekeeping.housekeeper import Housekeeper
    from engine.lipsync.choose import choose_renderer
    from engine.records import Records
    from engine.store.choose import choose_store

    settings = read_settings()
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(levelname)s %(message)s")
    store = choose_store(settings, environment)
    library = AvatarLibrary.of(settings, store, choose_renderer(settings))
    swept = Housekeeper.of(settings, store, Records(store, utc_now), library, utc_now).sweep(utc_now())
    out.write(json.dumps(asdict(swept)) + "\n")
    return 1 if swept.failures else 0


def _print_lifecycle(environment: Mapping[str, str], out: TextIO) -> int:
    bucket = read_bucket_settings(environment)
    if bucket is None:
        raise ConfigurationError(
            "No bucket is configured: set the BUCKET_ variables. A local store needs no rules, its worker sweeps it."
        )
    out.write(json.dumps(lifecycle(Lifetimes.of(read_settings()), bucket.prefix), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
