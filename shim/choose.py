"""The one place that chooses who makes the videos."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from engine.settings import Settings
from engine.store.choose import choose_store
from shim.app import Service

log = logging.getLogger(__name__)


@contextmanager
def open_service(settings: Settings, environ: Mapping[str, str]) -> Iterator[Service]:
    """The engine in this process, loaded and warm, with its store. Raises ConfigurationError."""
    # Here, because only this backend needs what reads and draws pictures.
    from engine.engine import Engine
    from shim.in_process import InProcess

    began = time.monotonic()
    engine = Engine.open(settings, choose_store(settings, environ))
    engine.warm()
    log.info("The engine is ready after %.2f s; renderer: %s.", time.monotonic() - began, engine.renderer.name)
    with engine.housekeeping():
        yield Service(InProcess(engine), engine.store, engine.records, settings)
